import json
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from bestie.formats import DataError, write_coco
from bestie.visualization import LayerSettings, choose_evenly, contact_sheet, results_sheet
from bestie.visualization.contact_sheet import shown_name
from bestie.visualization.label_file import read_label_file
from tests.evaluation.tiny_data import CLASS_NAMES, OBJECTS, coco_of

SETTINGS = LayerSettings(class_names=CLASS_NAMES, side=80)
NAMES = [f"img{number}" for number in range(len(OBJECTS))]


@pytest.fixture
def records(dataset: str) -> list[dict]:
    return DatasetCatalog.get(dataset)


def write_results(path: Path, coco: dict) -> Path:
    """A COCO dict's annotations as a list of results, as Detectron2's evaluator writes it."""
    keys = ("image_id", "category_id", "segmentation")
    path.write_text(
        json.dumps([{k: a[k] for k in keys} | {"score": 0.8} for a in coco["annotations"]])
    )
    return path


def test_titles_of_a_row_keep_its_images_aligned():
    image = np.zeros((10, 40, 3), np.uint8)
    sheet = contact_sheet([[("title", image), ("", image)], [("", image)]], gap=2)
    assert (sheet[:, 50] == sheet[::, 60]).all()
    rows = np.flatnonzero((sheet[:, 60] == 0).all(1))
    assert len(rows) == 10 and rows[0] > 10  # below a blank strip
    assert (sheet[-12:-2, 2:42] == 0).all()  # no strip in the second row


def test_items_are_spread_evenly():
    assert choose_evenly(range(10), 2) == [2, 7]
    assert choose_evenly("abc", 8) == ["a", "b", "c"]
    assert choose_evenly([], 3) == []


def test_sheet_has_a_column_a_layer_and_label_file(records, tmp_path):
    write_coco(tmp_path / "labels.json", coco_of(NAMES, OBJECTS))
    results = write_results(tmp_path / "results.json", coco_of(NAMES, OBJECTS))
    files = {"BESTIE": tmp_path / "labels.json", "Mask R-CNN": results}
    sheet = results_sheet(records[:3], SETTINGS, files, ["image", "gt"])
    assert sheet.shape[1] == 4 * 80 + 5 * 8
    default = results_sheet(records[:3], SETTINGS)
    assert default.shape[1] == 5 * 80 + 6 * 8  # tags, points, map, pseudo, gt


def test_coco_json_is_matched_by_names_not_by_ids(records, tmp_path):
    """Ids and order of the file's images and categories are its own business."""
    coco = coco_of(NAMES[::-1], OBJECTS[::-1], first_id=101)
    for category in coco["categories"]:
        category["id"] += 40
    for annotation in coco["annotations"]:
        annotation["category_id"] += 40
    write_coco(tmp_path / "labels.json", coco)
    labels = read_label_file(tmp_path / "labels.json", records, CLASS_NAMES)
    found = [[a["class_id"] for a in labels.of(record)] for record in records]
    assert found == [[0, 0], [1], [], [0, 1], [1]]


def test_results_are_matched_by_ids(records, tmp_path):
    path = write_results(tmp_path / "results.json", coco_of(NAMES, OBJECTS))
    labels = read_label_file(path, records, CLASS_NAMES)
    assert [len(labels.of(record)) for record in records] == [2, 1, 0, 2, 1]
    assert labels.of(records[0])[0]["score"] == 0.8
    swapped = read_label_file(path, records, CLASS_NAMES, {1: 1, 2: 0})
    assert [a["class_id"] for a in swapped.of(records[3])] == [1, 0]


def test_crowd_regions_are_left_out(records, tmp_path):
    coco = coco_of(NAMES, OBJECTS)
    coco["annotations"][0]["iscrowd"] = 1
    write_coco(tmp_path / "labels.json", coco)
    labels = read_label_file(tmp_path / "labels.json", records, CLASS_NAMES)
    assert len(labels.of(records[0])) == 1


def test_file_of_other_images_is_named(records, tmp_path):
    write_coco(tmp_path / "a.json", coco_of(["elsewhere"], OBJECTS[:1]))
    with pytest.raises(DataError, match=r"a\.json: holds none of the 5 images"):
        read_label_file(tmp_path / "a.json", records, CLASS_NAMES)
    write_results(tmp_path / "b.json", coco_of(["elsewhere"], OBJECTS[:1], first_id=901))
    with pytest.raises(DataError, match=r"b\.json: holds none of the 5 images"):
        read_label_file(tmp_path / "b.json", records, CLASS_NAMES)


def test_file_of_other_classes_is_named(records, tmp_path):
    path = tmp_path / "labels.json"
    write_coco(path, coco_of(NAMES, OBJECTS))
    with pytest.raises(DataError, match="the data set does not have: dog; its classes"):
        read_label_file(path, records, ["cat", "bird"])
    results = write_results(tmp_path / "results.json", coco_of(NAMES, OBJECTS))
    with pytest.raises(DataError, match=r"has the category id 2; known are \[1\]"):
        read_label_file(results, records, ["cat"])


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not well-formed json"),
        ('[{"image_id": 101}]', "result number 1 has no 'category_id'"),
        ("3", "is a json int"),
        ("[3]", "is a json list"),
    ],
)
def test_broken_label_file_is_named(records, tmp_path, content, message):
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_label_file(tmp_path / "labels.json", records, CLASS_NAMES)


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match="No image to show"):
        results_sheet([], SETTINGS)


def test_a_title_has_the_folders_that_tell_an_image_from_others():
    records = [{"file_name": f"/p/{name}"} for name in ("a.png", "d1/a.png", "d2/a.png", "b.png")]
    names = [shown_name(record, records) for record in records]
    assert names == ["p/a", "d1/a", "d2/a", "b"]
