"""Checks of a whole split: files in order that hold nothing to learn from."""

import numpy as np
import pytest

from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import Problem
from bestie.data.checks.splits import SplitChecker, shared_ids
from tests.data.conftest import write_lines

MAPS, CLICKS = "WSSS_maps", "Center_points"


def report(images=(2, 1), names=("cat", "dog"), objects=None, points=(3, 1), pixels=50):
    """Counts of a split of three images."""
    map_pixels = np.zeros(256, np.int64)
    map_pixels[[0, 1, 255]] = 100, pixels, 10
    return DatasetReport(
        [],
        list(names),
        3,
        np.array(images),
        map_pixels,
        {CLICKS: np.array(points)},
        None if objects is None else np.array(objects),
    )


@pytest.fixture
def check(tmp_path):
    (tmp_path / "image_labels.txt").touch()

    def check(found, *, trusted=4, folders=None, tagged=True, needs=()):
        checker = SplitChecker(
            root=str(tmp_path),
            split="train",
            needs=set(needs),
            folders={"maps": MAPS, "clicks": CLICKS} if folders is None else folders,
            tagged=tagged,
            score_thresh=0.7,
        )
        return [
            (p.severity, p.file.removeprefix(f"{tmp_path}/"), p.line, p.message)
            for p in checker(found, {CLICKS: trusted})
        ]

    return check


def test_a_split_with_something_of_everything_is_in_order(check):
    assert check(report(objects=(1, 1)), needs={"ground_truth"}) == []


@pytest.mark.parametrize(
    ("counts", "settings", "file", "message"),
    [
        ({"images": (0, 0)}, {}, "image_labels.txt", "no image has a tag"),
        ({"pixels": 0}, {}, MAPS, "no map has a pixel of a class (class + 1)"),
        ({"points": (0, 0)}, {"trusted": 0}, CLICKS, "no file has a point"),
        (
            {},
            {"trusted": 0},
            CLICKS,
            "no point has a confidence above 0.7 (INPUT.POINT_SCORE_THRESH)",
        ),
        (
            {"objects": (0, 0)},
            {"needs": {"ground_truth"}},
            "annotations/instances_train.json",
            "has no annotation that is not a crowd",
        ),
    ],
)
def test_nothing_to_learn_from_is_an_error(check, counts, settings, file, message):
    found = check(report(**counts), **settings)
    assert found == [("error", file, None, f"{message} (split 'train')")]


def test_what_is_not_needed_may_be_empty(check):
    empty = report(images=(0, 0), points=(0, 0), pixels=0, objects=(0, 0))
    assert check(empty, folders={}, tagged=False, trusted=0) == []


def test_emptiness_is_not_reported_beside_errors_that_explain_it(check):
    empty = report(images=(0, 0), points=(0, 0), pixels=0)
    empty.problems.append(Problem("warning", "a.txt", None, "odd"))
    assert len(check(empty, trusted=0)) == 3
    empty.problems.append(Problem("error", "a.txt", None, "wrong"))
    assert check(empty, trusted=0) == []


def test_a_class_called_background_is_warned_of_even_beside_errors(check):
    found = report(names=("cat", "Background"))
    found.problems.append(Problem("error", "a.txt", None, "wrong"))
    message = "'Background' is a class here; the background needs no line"
    assert check(found) == [("warning", "classes.txt", 2, message)]


def test_classes_without_an_image_are_named(check):
    ((severity, file, _, message),) = check(report(images=(2, 0)))
    assert (severity, file) == ("warning", "image_labels.txt")
    assert message == "1 of the classes have no image in the split 'train': dog"
    many = report(images=[1] + [0] * 12, names=[f"c{i}" for i in range(13)])
    ((*_, message),) = check(many)
    assert message.endswith("c9, c10, ...") and message.startswith("12 of the classes")


def test_a_class_in_every_image_teaches_a_classifier_nothing(check):
    constant = report(images=(3, 1))
    assert check(constant) == []  # with maps the classifier is not needed
    ((severity, file, _, message),) = check(constant, folders={"clicks": CLICKS})
    assert (severity, file) == ("warning", "image_labels.txt")
    assert message.startswith("every image of the split 'train' has the class 0 (cat): ")
    assert check(constant, folders={"clicks": CLICKS}, tagged=False) == []


def test_tags_in_xml_are_named_by_their_folder(check, tmp_path):
    (tmp_path / "image_labels.txt").unlink()
    ((_, file, _, _),) = check(report(images=(0, 0)))
    assert file == "Annotations"


def test_images_in_two_splits_are_one_warning(tmp_path):
    folder = tmp_path / "ImageSets/Segmentation"
    write_lines(folder / "train.txt", "a", "b", "c")
    write_lines(folder / "val.txt", "d", "c", "a")
    (problem,) = shared_ids(str(tmp_path), "train", "val")
    assert (problem.severity, problem.file) == ("warning", str(folder / "val.txt"))
    assert problem.message.startswith("2 of its images are in the split 'train' too, 'c' the first")
    write_lines(folder / "val.txt", "d")
    assert shared_ids(str(tmp_path), "train", "val") == []


def test_a_split_that_cannot_be_read_shares_nothing(tmp_path):
    """Its own check reports it."""
    write_lines(tmp_path / "ImageSets/Segmentation/train.txt", "a")
    assert shared_ids(str(tmp_path), "train", "val") == []
