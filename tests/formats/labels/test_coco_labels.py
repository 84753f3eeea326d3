"""Masks of a COCO json, as the importer reads them."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.registry import read_labels
from bestie.formats.labels.shapes import Outline, draw_shape, parse_flat_ring
from bestie.formats.polygons import mask_polygons
from bestie.formats.rle import encode_mask
from tests.conftest import PROJECT
from tests.formats.labels.reading import box_mask, drawn, mistakes, read

MASK = box_mask(30, 40, 5, 6, 15, 12)
SQUARE = [5, 6, 15, 6, 15, 12, 5, 12]
CODE = encode_mask(MASK)


@pytest.fixture
def write(tmp_path):
    def write(*annotations, **image):
        content = {
            "images": [{"id": 1, "file_name": "a.png", "height": 30, "width": 40, **image}],
            "categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], **entry}
                for i, entry in enumerate(annotations, 1)
            ],
        }
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(content))
        return path

    return write


def uncompressed(mask):
    flat = np.concatenate([[0], mask.ravel(order="F").astype(int), [0]])
    changes = np.flatnonzero(np.diff(flat))
    counts = np.diff([0, *changes, mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


@pytest.mark.parametrize("segmentation", [[SQUARE], CODE, uncompressed(MASK)])
@pytest.mark.parametrize("options", [{}, {"objects_as": "masks"}])
def test_a_segmentation_is_a_mask(write, segmentation, options):
    ((name, mask),) = drawn(write({"segmentation": segmentation}), 30, 40, **options)
    assert name == "cat"
    np.testing.assert_array_equal(mask, MASK)


@pytest.mark.parametrize("height", [30.0, "30", None])
def test_the_size_of_the_image_may_be_a_float_a_text_or_missing(write, height):
    ((_, mask),) = drawn(write({"segmentation": uncompressed(MASK)}, height=height), 30, 40)
    np.testing.assert_array_equal(mask, MASK)


@pytest.mark.parametrize("height", [10**400, "thirty", -30])
def test_a_size_that_cannot_be_is_a_mistake(write, height):
    (mistake,) = mistakes(write({"point": [3, 4]}, height=height))
    assert mistake.endswith("of 'a.png' is not a whole number of pixels")


def test_masks_are_those_of_pycocotools(write):
    polygons = [[1.3, 2.2, 20.7, 3.1, 8.4, 19.9], [22, 5, 33.3, 6.1, 30, 15.5]]
    ((_, mask),) = drawn(write({"segmentation": polygons}), 30, 40)
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 30, 40)))
    np.testing.assert_array_equal(mask, expected.astype(bool))


def test_a_point_comes_before_a_mask_unless_masks_are_asked_for(write):
    both = {"segmentation": [SQUARE], "point": [3.5, 4]}
    click = [("a.png", ("cat",), "click", (3.5, 4))]
    assert read(write(both)) == click
    assert [kind for _, _, kind, _ in read(write(both), objects_as="masks")] == ["mask"]
    assert read(write(both), objects_as="tags") == [("a.png", ("cat",), "object", None)]
    middle = read(write({"segmentation": [SQUARE]}), boxes_as_clicks=True)
    assert middle == [("a.png", ("cat",), "click", (2, 2))]


def test_crowds_and_invisible_keypoints_are_noted(write):
    path = write(
        {"segmentation": [SQUARE], "keypoints": [0, 0, 0]},
        {"segmentation": [SQUARE], "keypoints": [3, 4, 2]},
        {"segmentation": CODE, "iscrowd": 1},
    )
    labels = read_labels(path)
    assert labels.notes == ["1 objects have no visible keypoint and give no click"]
    labels = read_labels(path, None, ReadOptions(objects_as="masks"))
    assert labels.notes == ["1 crowd regions are left out"]
    assert sum(row.mask is not None for row in labels.rows) == 2


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([SQUARE[:4]], "its segmentation is not polygons"),
        ([SQUARE[:7]], "its segmentation is not polygons"),
        ([[[5, 6], [15, 6], [15, 12]]], "its segmentation is not polygons"),
        (SQUARE, "its segmentation is not polygons"),
        ("abc", "neither polygons nor a run-length code"),
        ({"counts": "abc"}, "neither polygons nor a run-length code"),
        (CODE | {"size": [40, 30]}, "has the size [40, 30]"),
        (CODE | {"counts": "01"}, "do not add up to its 1200 pixels"),
        ({"size": [30, 40], "counts": [1200, 1]}, "do not add up"),
    ],
)
def test_segmentations_that_are_refused(write, segmentation, message):
    (found,) = mistakes(write({"segmentation": segmentation}))
    assert "annotation 1: " in found and message in found


def test_labels_of_a_shared_fault_are_the_same_masks_as_rle_and_as_polygons():
    folder = PROJECT.parent / "shared" / "faults" / "labels-json-rle-only"
    if not folder.is_dir():
        pytest.skip("shared/faults is not here")
    exact = drawn(folder / "labels.json", 64, 64, objects_as="masks")
    outlined = drawn(folder / "polygons.json", 64, 64, objects_as="masks")
    assert [name for name, _ in exact] == [name for name, _ in outlined] and exact
    for (_, mask), (_, other) in zip(exact, outlined, strict=True):
        # The outlines of the fault pass through the middles of the outer pixels.
        assert (mask & other).sum() / (mask | other).sum() > 0.95
        # What --masks polygons writes.
        rings = [parse_flat_ring(polygon) for polygon in mask_polygons(mask)]
        np.testing.assert_array_equal(draw_shape(Outline.of_rings(rings), 64, 64), mask)


def test_polygons_can_be_imported_by_label_studio(write, tmp_path):
    sdk = pytest.importorskip(
        "label_studio_sdk.converter.imports.coco", reason="label-studio-sdk is not installed"
    )
    path = write({"segmentation": mask_polygons(MASK), "area": 60, "iscrowd": 0})
    sdk.convert_coco_to_ls(str(path), str(tmp_path / "tasks.json"))
    ((_, mask),) = drawn(tmp_path / "tasks.json", 30, 40)
    np.testing.assert_array_equal(mask, MASK)
