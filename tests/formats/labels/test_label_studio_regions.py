"""Regions of Label Studio: percent of the image become pixels, or the region is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.label_studio_regions import add_region, label_key
from bestie.formats.labels.objects import Place
from bestie.formats.labels.shapes import draw_shape
from tests.formats.labels.reading import box_mask

SIZE = {"original_width": 40, "original_height": 30}
KEYPOINT = SIZE | {"x": 50, "y": 25, "width": 0.3, "keypointlabels": ["cat"]}
POLYGON = SIZE | {"points": [[5, 10], [55, 10], [55, 50], [5, 50]], "polygonlabels": ["cat"]}
BOX = SIZE | {"x": 10, "y": 20, "width": 50, "height": 20, "rectanglelabels": ["cat"]}
ELLIPSE = SIZE | {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["cat"]}
BRUSH = SIZE | {"format": "rle", "rle": [0, 0, 0, 1, 0], "brushlabels": ["cat"]}


def add(entry, **options):
    """Labels with this region of the image a.png."""
    labels = Labels()
    place = Place("a.png", Path("export.json"), where="task 1")
    add_region(entry, place, labels, ReadOptions(**options))
    return labels


def row_of(entry, **options):
    labels = add(entry, **options)
    assert labels.problems == [], labels.problems
    (row,) = labels.rows
    return row


def pixels_of(entry):
    return draw_shape(row_of(entry).mask, 30, 40)


def test_a_keypoint_is_a_click_in_pixels():
    row = row_of(KEYPOINT)
    assert (row.classes, row.xy, row.where) == (("cat",), (20, 7.5), "task 1")
    assert row_of(KEYPOINT | {"x": "50"}).xy == (20, 7.5)


def test_the_size_of_the_image_is_kept():
    assert add(KEYPOINT).sizes == {(Path("export.json"), "a.png"): (30, 40)}


def test_a_polygon_is_a_mask():
    np.testing.assert_array_equal(pixels_of(POLYGON), box_mask(30, 40, 2, 3, 22, 15))
    np.testing.assert_array_equal(pixels_of(POLYGON | {"closed": True}), pixels_of(POLYGON))


@pytest.mark.parametrize(
    ("degrees", "middle"), [(0, (14, 9)), (90, (1, 16)), (180, (-6, 3)), (270, (7, -4))]
)
def test_a_box_is_turned_clockwise_about_its_first_corner(degrees, middle):
    """The corner is (4, 6); the box is 20 wide and 6 high."""
    entry = BOX | {"rotation": degrees}
    assert row_of(entry, boxes_as_clicks=True).xy == pytest.approx(middle)
    assert row_of(entry).is_box and row_of(entry).xy is None


def test_an_ellipse_is_a_mask_around_its_middle():
    pixels = pixels_of(ELLIPSE)
    rows, columns = np.nonzero(pixels)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 20, 16, 23)
    assert abs(pixels.sum() - np.pi * 4 * 6) < 5
    turned = pixels_of(ELLIPSE | {"rotation": 90})
    rows, columns = np.nonzero(turned)
    assert (np.ptp(rows), np.ptp(columns)) == (7, 11)


def test_the_kind_of_a_region_is_that_of_its_labels():
    assert label_key(KEYPOINT) == "keypointlabels" and label_key(BOX) == "rectanglelabels"
    assert label_key(SIZE) == label_key("a region") == label_key(None) == ""


def test_one_label_of_any_kind_is_the_class():
    assert row_of(SIZE | {"x": 1, "y": 1, "labels": ["dog"]}).classes == ("dog",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (KEYPOINT | {"keypointlabels": []}, "brush with one label"),
        (KEYPOINT | {"keypointlabels": ["a", "b"]}, "with one label"),
        (KEYPOINT | {"keypointlabels": [5]}, "with one label"),
        (KEYPOINT | {"labels": ["dog"]}, "with one label"),
        (KEYPOINT | {"original_width": 0}, "original_width and original_height"),
        (KEYPOINT | {"original_width": 40.5}, "original_width and original_height"),
        (KEYPOINT | {"original_height": -30}, "original_width and original_height"),
        ("a region", "original_width and original_height"),
        (KEYPOINT | {"image_rotation": 90}, "image that was turned in Label Studio"),
        (KEYPOINT | {"x": "a"}, "x and y are not two numbers"),
        (KEYPOINT | {"y": None}, "x and y are not two numbers"),
        (POLYGON | {"closed": False}, "is not a closed polygon of 3 or more points"),
        (POLYGON | {"points": [[1, 2], [3, 4]]}, "is not a closed polygon"),
        (POLYGON | {"points": [[1, 2], [3, 4], [5, "x"]]}, "is not a closed polygon"),
        (POLYGON | {"points": 5}, "is not a closed polygon"),
        (BOX | {"width": -1}, "is not a rectangle of x, y, width, height and rotation"),
        (BOX | {"rotation": "left"}, "is not a rectangle"),
        (SIZE | {"x": 1, "y": 1, "rectanglelabels": ["cat"]}, "is not a rectangle"),
        (ELLIPSE | {"radiusX": None}, "is not an ellipse of radiusX, radiusY and rotation"),
        (ELLIPSE | {"radiusY": -1}, "is not an ellipse"),
        (BRUSH | {"format": "png"}, "is not a brush of run lengths (numbers from 0 to 255)"),
        (BRUSH | {"rle": [0, 0, 0, 256]}, "is not a brush of run lengths"),
        (BRUSH | {"rle": [True] * 4}, "is not a brush of run lengths"),
        (BRUSH, "is a brush of 1 values; 4 x 40 x 30 are expected"),
    ],
)
def test_regions_that_are_refused(wrong, message):
    labels = add(wrong)
    (problem,) = labels.problems
    assert problem.message.startswith("task 1 ") and message in problem.message
    assert labels.rows == [] and labels.sizes == {}


def test_brushes_are_read_by_the_sdk():
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="label-studio-sdk is not installed"
    )
    mask = box_mask(30, 40, 5, 6, 15, 12)
    mask[7, 9] = False
    codes = list(map(int, brush.mask2rle(mask.astype(np.uint8) * 255)))
    np.testing.assert_array_equal(pixels_of(BRUSH | {"rle": codes}), mask)
    (problem,) = add(BRUSH | {"rle": codes[:20]}).problems
    assert "run lengths are damaged" in problem.message


def test_a_brush_without_the_sdk_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "label_studio_sdk.converter.brush", None)
    (problem,) = add(BRUSH | {"rle": [*(4 * 40 * 30).to_bytes(4, "big"), 0]}).problems
    assert 'pip install "bestie[label-studio]"' in problem.message
