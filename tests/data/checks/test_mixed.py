"""Mistakes of a root whose images have masks or clicks: each is found, with file and line."""

import json

import pytest

from bestie.data import inspect_dataset, survey_data
from bestie.data.checks.mixed import check_mixed, needs_of
from bestie.formats import DataError
from bestie.formats.supervision import LabelKind, Supervision
from tests.data.checks.planting import JSON, append, put, remove, replace
from tests.data.conftest import write_lines

KINDS = {"train_s": LabelKind.MASKS, "train_w": LabelKind.CLICKS}


@pytest.fixture
def mixed(root):
    """Masks of a and b (disc, square), clicks of c and d (two crosses)."""
    write_lines(root / "ImageSets/Segmentation/train_s.txt", "a", "b")
    write_lines(root / "ImageSets/Segmentation/train_w.txt", "c", "d")
    (root / JSON).rename(root / "annotations/instances_train_s.json")
    return root


def found(root) -> list[str]:
    reports = {
        split: inspect_dataset(root, split, needs=needs_of(kind)) for split, kind in KINDS.items()
    }
    problems = [problem for report in reports.values() for problem in report.problems]
    problems += check_mixed(str(root), Supervision(KINDS), reports)
    return [str(problem).replace(f"{root}/", "") for problem in problems]


def test_what_is_in_order_gives_warnings_at_most(mixed):
    assert not any(line.startswith("error") for line in found(mixed))


S, W = "ImageSets/Segmentation/train_s.txt", "ImageSets/Segmentation/train_w.txt"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (append(W, "a\n"), f"error: {W}, line 3: the image 'a' stands in the split 'train_s' too"),
        (remove("Center_points/c.txt"), "error: Center_points/c.txt: file does not exist"),
        (
            put("Center_points/c.txt", "9 9 2 1.0\n70 9 2 1.0\n"),
            "error: Center_points/c.txt, line 2: x 70, y 9 lies outside the image of 56 x 40",
        ),
        (
            replace("annotations/instances_train_s.json", '"disc"', '"disk"'),
            "error: annotations/instances_train_s.json: its categories are not those of classes",
        ),
        (
            append(S, "e\n"),
            "error: annotations/instances_train_s.json: does not list the image 'e'",
        ),
        (
            put("Center_points/c.txt", "9 9 2 1.0\n"),
            f"warning: {S}: no image of the split 'train_s' has a mask of 1 classes of which "
            "'train_w' has clicks: 2 (cross, 1 clicks). ",
        ),
        (
            put("Center_points/d.txt", ""),
            "warning: Center_points/d.txt: 1 click files of the split",
        ),
        (
            put("Center_points/d.txt", "\n \t\r\n"),
            "warning: Center_points/d.txt: 1 click files of the split 'train_w' are empty, or hold",
        ),
        (append(W, "new\n"), "error: JPEGImages/new: image does not exist"),
    ],
)
def test_mistakes_are_found_with_file_and_line(mixed, spoil, expected):
    spoil(mixed)
    lines = found(mixed)
    assert any(line.startswith(expected) for line in lines), lines


def test_strong_images_without_masks(mixed):
    path = mixed / "annotations/instances_train_s.json"
    coco = json.loads(path.read_text())
    coco["annotations"] = [e for e in coco["annotations"] if e["image_id"] != 20]
    path.write_text(json.dumps(coco))
    text = "1 images of the split 'train_s' have no mask in it, 'b' the first"
    assert any(text in line for line in found(mixed))
    path.unlink()
    (mixed / "SegmentationObject/b.png").unlink()
    (line,) = [line for line in found(mixed) if line.startswith("error")]
    assert line.startswith("error: SegmentationObject/b.png: ")
    remove("SegmentationObject")(mixed)
    assert any("instances_train_s.json: no ground truth" in line for line in found(mixed))


def test_masks_in_files_are_counted_as_those_of_a_json(mixed):
    (mixed / "annotations/instances_train_s.json").unlink()
    report = inspect_dataset(mixed, "train_s", needs=needs_of(LabelKind.MASKS))
    assert report.objects_per_class.tolist() == [1, 2, 0]
    assert any("clicks: 2 (cross, 2 clicks). Their" in line for line in found(mixed))


def test_all_classes_without_masks_are_in_one_warning(mixed):
    path = mixed / "annotations/instances_train_s.json"
    coco = json.loads(path.read_text())
    coco["annotations"] = [e for e in coco["annotations"] if e["category_id"] == 2]
    path.write_text(json.dumps(coco))
    put("Center_points/d.txt", "9 9 0 1.0\n")(mixed)
    (line,) = [line for line in found(mixed) if "has clicks" in line]
    assert "of 2 classes" in line and ": 0 (disc, 1 clicks), 2 (cross, 2 clicks). Their" in line


def test_images_to_evaluate_on_are_compared_with_both(mixed):
    write_lines(mixed / "ImageSets/Segmentation/val.txt", "b", "c")
    reports = survey_data(str(mixed), ["train_s", "train_w", "val"], "masks+clicks")
    messages = [problem.message for report in reports.values() for problem in report.problems]
    for split, image in (("train_s", "b"), ("train_w", "c")):
        text = f"1 of its images are in the split '{split}' too, '{image}' the first"
        assert any(text in message for message in messages)


def test_a_survey_needs_both_kinds_of_splits(mixed):
    assert survey_data(str(mixed), [], "masks+clicks")["train_w"].points_per_class
    (mixed / W).unlink()
    with pytest.raises(DataError, match="no split that ends in _w, but train, train_s; bestie"):
        survey_data(str(mixed), [], "masks+clicks")


def test_images_are_counted_from_masks_where_tags_are_not_needed(mixed):
    reports = survey_data(str(mixed), ["train_s", "train_w"], "masks+clicks")
    assert reports["train_s"].images_per_class.tolist() == [1, 2, 0]
    assert reports["train_w"].images_per_class is None  # clicks only: nothing says it
    assert "images" not in reports["train_w"].table()
    assert reports["train_w"].as_dict()["images_per_class"] is None
