"""COCO json of labels: exact codes or polygons, other keys as they were."""

import json

import numpy as np
import pytest

from bestie.formats import DataError, decode_mask, read_coco
from bestie.formats.export.base import ExportOptions, LabelledImage, LabelledObject, LabelSet
from bestie.formats.export.coco import write_coco_labels
from tests.formats.export.packages import BOX, EMPTY, RING, TWO_PARTS, object_of, package
from tests.formats.export.scenes import READERS
from tests.formats.export.test_registry import export, same, scene

POLYGON = [1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]  # columns 1 to 3, rows 1 and 2


def item_of(rows, number=1, **entry):
    """An object with the annotation that it comes from, whose box and area are out of date."""
    item = object_of(rows)
    source = {"id": number, "image_id": 7, "category_id": 3, "iscrowd": 0, "area": 999} | entry
    return LabelledObject(0, item.segmentation, item.size, None, source)


def written(folder, items, **options):
    """Annotations of the json, and the notes."""
    entry = {"id": 7, "file_name": "a.png", "height": 4, "width": 5, "license": 2}
    coco = {"categories": [{"id": 3, "name": "cat"}], "info": {"year": 2026}}
    labels = LabelSet(["cat"], [LabelledImage("a.png", None, (4, 5), items, entry)], coco)
    made = package(folder, **options)
    write_coco_labels(labels, made, "labels.json")
    content = read_coco(folder / "out/labels.json")
    assert content["images"] == [entry] and content["info"] == coco["info"]
    return content["annotations"], made.notes


@pytest.mark.parametrize("masks", ["rle", "polygons"])
@pytest.mark.parametrize("rows", [BOX, RING, TWO_PARTS])
def test_masks_are_exact_and_box_and_area_follow_them(tmp_path, masks, rows):
    (entry,), _ = written(tmp_path, [item_of(rows, score=0.5)], masks=masks)
    mask = object_of(rows).mask
    np.testing.assert_array_equal(decode_mask(entry["segmentation"], 4, 5), mask)
    assert isinstance(entry["segmentation"], dict if masks == "rle" else list)
    assert entry["area"] == mask.sum()
    rows_of, columns = np.nonzero(mask)
    left, top = columns.min(), rows_of.min()
    assert entry["bbox"] == [left, top, columns.max() + 1 - left, rows_of.max() + 1 - top]
    assert (entry["id"], entry["category_id"], entry["score"]) == (1, 3, 0.5)


def test_polygons_of_the_source_stay_as_they_are(tmp_path):
    source = {"id": 1, "image_id": 7, "category_id": 3, "iscrowd": 0}
    item = LabelledObject(0, [POLYGON], (4, 5), None, source)
    (entry,), _ = written(tmp_path, [item], masks="polygons")
    assert entry["segmentation"] == [POLYGON] and entry["area"] == 6


@pytest.mark.parametrize("masks", ["rle", "polygons"])
def test_an_object_without_a_pixel_is_left_out(tmp_path, masks):
    entries, notes = written(tmp_path, [item_of(EMPTY), item_of(BOX, 2)], masks=masks)
    assert [entry["id"] for entry in entries] == [2]
    assert notes == {"objects without a pixel were left out": 1}


def test_what_detectron2_would_reject_is_not_written(tmp_path):
    with pytest.raises(DataError, match="category_id 9 is not in 'categories'"):
        written(tmp_path, [item_of(BOX, category_id=9)])
    assert not list((tmp_path / "out").iterdir())


def test_coco_as_polygons(tmp_path):
    _, expected = scene(tmp_path)
    output, notes = export(tmp_path, "coco", options=ExportOptions(masks="polygons"))
    same(READERS["coco"](output, tmp_path / "photos"), expected)
    content = json.loads(output.read_text())
    assert [len(entry["segmentation"]) for entry in content["annotations"]] == [2, 1, 1, 1, 1]
    assert all(isinstance(entry["segmentation"], list) for entry in content["annotations"])
    assert notes == {"objects have holes: cut in along a line of no width": 1}
