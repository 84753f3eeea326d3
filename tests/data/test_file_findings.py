"""Findings are those of the readers; after an earlier check nothing is decoded, and faults stay."""

import json

import numpy as np
import pytest
from PIL import Image

from bestie.data import file_findings, inspect_dataset
from bestie.data.checks.dataset import inspect_coco
from bestie.data.file_findings import (
    FileFindings,
    PointRow,
    count_objects,
    count_trusted,
    read_coco_summary,
)
from bestie.data.registration import load_folder
from bestie.formats import DataError, file_memory, read_instances, read_points, read_semantic_map

NEEDS = {"images", "tags", "maps", "clicks", "ground_truth"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BESTIE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def old_root(root, monkeypatch):
    """The tiny root, as if it had been written long ago."""
    monkeypatch.setattr(file_memory, "SETTLE_SECONDS", -60.0)
    return root


def forbid_reading(monkeypatch):
    def fail(*arguments):
        raise AssertionError(f"read again: {arguments}")

    for name in ("image", "instances", "points", "semantic_map", "coco", "image_size"):
        monkeypatch.setattr(file_findings, f"read_{name}", fail)


def everything(root):
    """All that is found in the root, as plain values."""
    report = inspect_dataset(root, "train", needs=NEEDS)
    coco = inspect_coco(root / "annotations/instances_train.json", root / "JPEGImages")
    return [json.dumps(report.as_dict()), json.dumps(coco.as_dict()), load_folder(root, "train")]


@pytest.mark.parametrize("with_json", [True, False])
def test_a_second_check_reads_no_file_and_finds_the_same(old_root, monkeypatch, with_json):
    truth = old_root / "annotations/instances_train.json"
    if not with_json:
        truth.rename(old_root / "away.json")
        report = inspect_dataset(old_root, "train", needs=NEEDS).as_dict()
        dicts = load_folder(old_root, "train")
        forbid_reading(monkeypatch)
        assert inspect_dataset(old_root, "train", needs=NEEDS).as_dict() == report
        assert load_folder(old_root, "train") == dicts
        return
    first = everything(old_root)
    forbid_reading(monkeypatch)
    assert everything(old_root) == first


def test_what_one_check_decoded_another_one_of_other_needs_does_not(old_root, monkeypatch):
    inspect_dataset(old_root, "train", needs={"images", "tags"})
    monkeypatch.setattr(file_findings, "read_image", None)
    report = inspect_dataset(old_root, "train", needs={"images", "tags", "maps", "clicks"})
    assert not report.problems and report.map_pixels.any()


def test_a_file_that_changes_is_checked_again(old_root):
    assert not inspect_dataset(old_root, "train", needs=NEEDS).count("error")
    image = old_root / "JPEGImages/a.png"
    image.write_bytes(image.read_bytes()[:-300])
    for _ in range(2):  # errors are not remembered
        report = inspect_dataset(old_root, "train", needs=NEEDS)
        assert [problem.file for problem in report.problems] == [str(image)]
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    assert "20 x 30" in str(inspect_dataset(old_root, "train", needs=NEEDS).problems)


def test_one_line_says_what_was_read(old_root, caplog):
    caplog.set_level("INFO")
    for _ in range(2):
        inspect_dataset(old_root, "train", needs={"images", "clicks"})
    first, second = (r.message for r in caplog.records if r.message.startswith("Read "))
    assert first.startswith("Read 4 images, 4 point files, 1 COCO jsons in ")
    assert first.endswith(": nothing.") and second.startswith("Read nothing in ")
    assert second.endswith(": 4 images with all of their files, 1 COCO jsons.")


def test_findings_are_those_of_the_readers(old_root):
    for _ in range(2):
        files = FileFindings()
        semantic_map, clicks = old_root / "WSSS_maps/a.png", old_root / "Center_points/a.txt"
        masks = [str(old_root / f"Segmentation{kind}/a.png") for kind in ("Object", "Class")]
        shape, counts = files.map_counts(str(semantic_map))
        assert shape == (40, 56)
        np.testing.assert_array_equal(
            counts, np.bincount(read_semantic_map(semantic_map).ravel(), minlength=256)
        )
        found, points = files.point_rows(str(clicks)), read_points(clicks)
        columns = (*points.yx.T, points.classes, points.scores, points.lines)
        assert found and found == list(zip(*(c.tolist() for c in columns), strict=True))
        shape, classes = files.instances(*masks)
        assert shape == (40, 56) and classes.tolist() == read_instances(*masks)[2].tolist()
        assert files.image_size(str(old_root / "JPEGImages/a.png")) == (40, 56)
        assert files.image_shape(str(old_root / "JPEGImages/a.png")) == (40, 56)
        files.save()


def test_confidences_are_compared_in_float32():
    near = [float(np.float32(0.3)), float(np.nextafter(np.float32(0.3), np.float32(1)))]
    rows = [PointRow(0.0, 0.0, 0, score, 1) for score in near]
    # As in training, where a confidence of 0.3 is not above 0.3, though its float32 number is.
    assert count_trusted(rows, 0.3) == 1 == int((np.array(near, np.float32) > 0.3).sum())


def test_points_with_mistakes_give_all_of_them(old_root):
    path = old_root / "Center_points/a.txt"
    path.write_text("1 2 0 1.0\nnonsense\n1 2\n")
    problems = []
    assert len(FileFindings().point_rows(str(path), problems)) == 1 and len(problems) == 2
    with pytest.raises(DataError):
        FileFindings().point_rows(str(path))


def test_objects_of_a_json_are_counted_without_crowds(old_root):
    path = old_root / "annotations/instances_train.json"
    coco = json.loads(path.read_text())
    coco["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(coco))
    summary = read_coco_summary(str(path))
    assert summary["objects"] == [{2: 1}, {2: 1}, {3: 2}, {}]
    images, objects = count_objects(summary, [1, 2, 3])
    assert images.tolist() == [0, 2, 1] and objects.tolist() == [0, 2, 2]
    assert count_objects(summary, [3, 2], {"b.png", "d.png"})[1].tolist() == [0, 1]
