"""Checks: each planted fault is found, with its file and line, and all of them at once."""

import json

import numpy as np
import pytest
from PIL import Image

from bestie.data import (
    Problem,
    check_coco,
    check_dataset,
    check_datasets,
    inspect_dataset,
    raise_on_errors,
)
from bestie.data.checks.dataset import NEEDS
from bestie.formats import DataError, write_semantic_map
from tests.conftest import shared_data

CLASSES = "classes.txt"
SPLIT = "ImageSets/Segmentation/train.txt"
LABELS = "image_labels.txt"
MAP = "WSSS_maps/a.png"
CLICKS = "Center_points/a.txt"
JSON = "annotations/instances_train.json"


def put(name, text):
    return lambda root: (root / name).write_text(text)


def append(name, text):
    return lambda root: (root / name).write_text((root / name).read_text() + text)


def remove(name):
    return lambda root: (root / name).unlink()


def move(name):
    return lambda root: (root / name).rename(root / f"{name}_away")


def png(name, array):
    return lambda root: Image.fromarray(array).save(root / name)


def cut(name):
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-300])


def edit_json(change):
    def apply(root):
        coco = json.loads((root / JSON).read_text())
        change(coco)
        (root / JSON).write_text(json.dumps(coco))

    return apply


SMALL = np.zeros((39, 56), np.uint8)
FOUR = np.full((40, 56), 4, np.uint8)


def list_size(number, **size):
    """Write another size of an image into the json, whose masks, of no size, become polygons."""

    def change(coco):
        coco["images"][number].update(size)
        for entry in coco["annotations"]:
            entry.update(segmentation=[[1, 1, 3, 1, 3, 3, 1, 3]], bbox=[0, 0, 1, 1])

    return edit_json(change)


# fault, severity, file, line, part of the message
FAULTS = [
    (remove(CLASSES), "error", CLASSES, None, "does not exist"),
    (append(CLASSES, "disc\n"), "error", CLASSES, 4, "'disc' is already in line 1"),
    (put(CLASSES, "disc\n\nsquare\ncross\n"), "error", CLASSES, 2, "empty line"),
    (put(CLASSES, ""), "error", CLASSES, None, "is empty"),
    (remove(SPLIT), "error", SPLIT, None, "splits of this root: none"),
    (put(SPLIT, "\n"), "error", SPLIT, None, "is empty"),
    (append(SPLIT, "b\n"), "error", SPLIT, 5, "'b' is already in line 2"),
    (append(SPLIT, "e 1\n"), "error", SPLIT, 5, "one image id per line"),
    (append(SPLIT, "e\n"), "error", "JPEGImages/e", None, "image does not exist"),
    (remove("JPEGImages/a.png"), "error", "JPEGImages/a", None, "image does not exist"),
    (cut("JPEGImages/a.png"), "error", "JPEGImages/a.png", None, "cannot be decoded"),
    (put("JPEGImages/a.png", "hello"), "error", "JPEGImages/a.png", None, "is not an image"),
    (png("JPEGImages/a.png", SMALL.astype(np.uint16)), "error", "JPEGImages/a.png", None, "I;16"),
    (remove(LABELS), "error", LABELS, None, "nor Annotations"),
    (put(LABELS, "a 0 1\nb 1\nc 2\n"), "error", LABELS, None, "no tags for the image 'd'"),
    (append(LABELS, "e 3\n"), "error", LABELS, 5, "class 3 is out of range; class ids 0..2"),
    (append(LABELS, "e disc\n"), "error", LABELS, 5, "'disc' is not a class id"),
    (append(LABELS, "a 0\n"), "error", LABELS, 5, "'a' is listed twice"),
    (remove(MAP), "error", MAP, None, "does not exist"),
    (move("WSSS_maps"), "error", "WSSS_maps", None, "folder does not exist"),
    (png(MAP, SMALL), "error", MAP, None, "39 x 56 pixels (height x width), its image of 40 x 56"),
    (png(MAP, np.stack([FOUR] * 3, 2)), "error", MAP, None, "RGB; an 8-bit palette or grey"),
    (png(MAP, FOUR), "error", MAP, None, "has the values [4]; accepted: 0 (background), 1..3"),
    (png(MAP, FOUR * 0), "warning", MAP, None, "no pixel has the tag class 1 (square)"),
    (png(MAP, FOUR - 1), "warning", MAP, None, "has pixels of class 2 (cross), no tag"),
    (remove(CLICKS), "error", CLICKS, None, "does not exist"),
    (move("Center_points"), "error", "Center_points", None, "folder does not exist"),
    (append(CLICKS, "1 2 0\n"), "error", CLICKS, 3, "3 fields"),
    (append(CLICKS, "1,2,0,1\n"), "error", CLICKS, 3, "1 fields"),
    (append(CLICKS, "1 x 0 1\n"), "error", CLICKS, 3, "not a number"),
    (append(CLICKS, "1 2 disc 1\n"), "error", CLICKS, 3, "not a class id"),
    (append(CLICKS, "1 2 0 7\n"), "error", CLICKS, 3, "not in [0, 1]"),
    (append(CLICKS, "1 2 3 1\n"), "error", CLICKS, 3, "class 3; 0..2 are accepted"),
    (
        append(CLICKS, "56 2 0 1\n"),
        "error",
        CLICKS,
        3,
        "x 56, y 2 lies outside the image of 56 x 40",
    ),
    (append(CLICKS, "1 -1 0 1\n"), "error", CLICKS, 3, "x 1, y -1 lies outside"),
    (append(CLICKS, "1 2 2 1\n"), "warning", CLICKS, 3, "class 2 (cross) is not a tag"),
    (append(CLICKS, "10 9 0 1\n"), "warning", CLICKS, 3, "is the same point as line 1"),
    (put(CLICKS, "10 9 0 1\n"), "warning", CLICKS, None, "no click has the tag class 1"),
    (remove("Peak_points/a.txt"), "error", "Peak_points/a.txt", None, "does not exist"),
    (png("SegmentationObject/a.png", SMALL), "error", "SegmentationObject/a.png", None, "39 x 56"),
    (
        png("SegmentationClass/a.png", FOUR),
        "error",
        "SegmentationClass/a.png",
        None,
        "has the values [4]; accepted: 0..3, 255",
    ),
    (put(JSON, '{"images":\n]'), "error", JSON, 2, "not well-formed json"),
    (edit_json(lambda c: c["images"].pop()), "error", JSON, None, "does not list the image 'd'"),
    (edit_json(lambda c: c["categories"].reverse()), None, None, None, None),
    (
        edit_json(lambda c: c["categories"][0].update(name="ring")),
        "error",
        JSON,
        None,
        "categories are not those of classes.txt",
    ),
    (
        list_size(1, height=39),
        "error",
        JSON,
        None,
        "its image 'b' is of 39 x 56 pixels (height x width), the image itself of 40 x 56",
    ),
]


@pytest.mark.parametrize(("plant", "severity", "file", "line", "message"), FAULTS)
def test_fault_is_found(root, plant, severity, file, line, message):
    plant(root)
    problems = check_dataset(root, "train", needs=NEEDS)
    if severity is None:
        assert problems == []
        return
    here = [p for p in problems if p.file == str(root / file) and p.line == line]
    assert any(p.severity == severity and message in p.message for p in here), problems


def test_faultless_root_has_no_problem_and_right_counts(root):
    report = inspect_dataset(root, "train", needs=NEEDS)
    assert report.problems == [] and report.num_images == 4
    assert report.class_names == ["disc", "square", "cross"]
    assert report.images_per_class.tolist() == [1, 2, 1]
    assert {key: counts.tolist() for key, counts in report.points_per_class.items()} == {
        "Center_points": [1, 2, 2],
        "Peak_points": [1, 2, 2],
    }
    assert report.map_pixels[1:4].tolist() == [100, 144 + 81, 128]
    assert report.map_pixels.sum() == 4 * 40 * 56


def test_all_faults_are_found_at_once(root):
    append(CLICKS, "1 2 0\n99 2 0 1\n1 2 3 1\n")(root)
    append(LABELS, "e 3\n")(root)
    remove(MAP)(root)
    cut("JPEGImages/b.png")(root)
    errors = [p for p in check_dataset(root, "train", needs=NEEDS) if p.severity == "error"]
    places = {(p.file.removeprefix(f"{root}/"), p.line) for p in errors}
    assert places == {
        (CLICKS, 3),
        (CLICKS, 4),
        (CLICKS, 5),
        (LABELS, 5),
        (MAP, None),
        ("JPEGImages/b.png", None),
    }


def test_only_what_is_needed_is_looked_at(root):
    for name in ("WSSS_maps", "Peak_points", "SegmentationObject", "annotations", LABELS):
        move(name)(root)
    assert check_dataset(root, "train", needs={"images", "clicks"}) == []
    cut("JPEGImages/a.png")(root)
    assert check_dataset(root, "train", needs={"clicks"}) == []


def test_json_is_checked_whatever_is_needed(root):
    list_size(1, width=1)(root)
    edit_json(lambda c: c["images"].pop())(root)
    problems = check_dataset(root, "train", needs={"tags"})
    assert [problem.file for problem in problems] == [str(root / JSON)] * 2
    assert "does not list the image 'd'" in problems[0].message and "40 x 1 " in problems[1].message


def test_other_folders_can_be_named(root, tmp_path):
    move("WSSS_maps")(root)
    move("Center_points")(root)
    folders = {"maps_dir": "WSSS_maps_away", "points_dir": str(root / "Center_points_away")}
    assert check_dataset(root, "train", needs={"maps", "clicks"}, **folders) == []


def test_ground_truth_needs_one_of_both_forms(root):
    move("SegmentationObject")(root)
    assert check_dataset(root, "train", needs={"ground_truth"}) == []
    move("annotations")(root)
    (problem,) = check_dataset(root, "train", needs={"ground_truth"})
    assert "no ground truth" in problem.message


def test_mask_files_are_needed_only_without_the_json(root):
    remove("SegmentationClass/a.png")(root)
    assert check_dataset(root, "train", needs={"ground_truth"}) == []
    remove(JSON)(root)
    (problem,) = check_dataset(root, "train", needs={"ground_truth"})
    assert problem.file == str(root / "SegmentationClass/a.png")
    assert "does not exist" in problem.message


def test_tags_in_xml(root):
    move(LABELS)(root)
    (root / "Annotations").mkdir()
    for image_id, names in {"a": ("disc", "square"), "b": ("square",), "c": ("ring",)}.items():
        objects = "".join(f"<object><name>{name}</name></object>" for name in names)
        (root / "Annotations" / f"{image_id}.xml").write_text(f"<a>{objects}</a>")
    wrong, missing = check_dataset(root, "train", needs={"tags"})
    assert wrong.file.endswith("c.xml") and "object of the class 'ring'" in wrong.message
    assert missing.file.endswith("d.xml") and "does not exist" in missing.message


def test_unknown_need_is_refused(root):
    with pytest.raises(ValueError, match="needs must be of images, tags"):
        check_dataset(root, "train", needs={"boxes"})


def test_errors_are_listed_up_to_a_number_and_warnings_do_not_raise():
    problems = [Problem("error", "f.txt", i, "wrong") for i in range(1, 61)]
    raise_on_errors([Problem("warning", "f.txt", None, "odd")])
    with pytest.raises(DataError) as caught:
        raise_on_errors([*problems, Problem("warning", "f.txt", None, "odd")])
    lines = str(caught.value).splitlines()
    assert lines[0] == "60 error(s) in the data:" and lines[-1] == "  ... and 10 more"
    assert lines[1] == "  error: f.txt, line 1: wrong" and len(lines) == 52


def test_coco_json_and_its_images(root):
    images = root / "JPEGImages"
    assert check_coco(root / JSON, images) == []
    remove("JPEGImages/a.png")(root)
    cut("JPEGImages/b.png")(root)
    list_size(2, height=41)(root)
    problems = check_coco(root / JSON, images)
    assert [problem.file for problem in problems] == [str(images / f"{i}.png") for i in "abc"]
    assert "is of 40 x 56 pixels (height x width)" in problems[2].message
    put(JSON, "[]")(root)
    (problem,) = check_coco(root / JSON, images)
    assert "is a json list" in problem.message


def test_coco_json_needs_an_annotation_that_is_no_crowd(root):
    edit_json(lambda c: [entry.update(iscrowd=1) for entry in c["annotations"]])(root)
    (problem,) = check_coco(root / JSON, root / "JPEGImages")
    assert (
        problem.file == str(root / JSON) and "no annotation that is not a crowd" in problem.message
    )


def test_all_data_sets_of_a_config_are_checked(cfg, root, caplog):
    check_datasets(cfg)
    write_semantic_map(root / MAP, FOUR * 0)
    check_datasets(cfg)
    assert "no pixel has the tag" in caplog.text
    remove(MAP)(root)
    remove("Peak_points/a.txt")(root)
    with pytest.raises(DataError, match=r"1 error\(s\).*\n.*WSSS_maps/a.png"):
        check_datasets(cfg)
    cfg.MODEL.BESTIE.SUPERVISION = "tags"
    with pytest.raises(DataError, match=r"2 error\(s\)"):
        check_datasets(cfg)
    cfg.INPUT.DATASET_MAPPER_NAME = "PAMMapper"
    check_datasets(cfg)


def test_evaluated_data_sets_need_ground_truth(cfg, root):
    move("annotations")(root)
    move("SegmentationObject")(root)
    with pytest.raises(DataError, match="no ground truth"):
        check_datasets(cfg)
    cfg.TEST.EVALUATORS = ["tags"]
    check_datasets(cfg)


def test_bestie_does_not_train_on_a_coco_json(cfg, root):
    cfg.DATASETS.TRAIN = (f"coco:{root / JSON}:{root}/JPEGImages", "coco_2017_train")
    with pytest.raises(DataError, match="folder:ROOT:SPLIT"):
        check_datasets(cfg)
    cfg.INPUT.DATASET_MAPPER_NAME = "InstanceMapper"
    check_datasets(cfg)


@pytest.mark.parametrize("name", ["coco_mini", "nuclei_mini", "voc_mini_cls"])
def test_real_data_has_no_errors(name):
    root = shared_data(name)
    needs = {"images", "tags"}
    if name != "voc_mini_cls":
        needs |= {"maps", "clicks", "ground_truth"}
    raise_on_errors(check_dataset(root, "val", needs=needs))
