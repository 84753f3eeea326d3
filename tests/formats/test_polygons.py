"""Masks survive the way through polygons, with holes and several parts."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from bestie.formats import decode_mask
from bestie.formats.polygons import has_holes, join_polygons, mask_polygons
from tests.formats.random_masks import masks


def filled(polygons, shape):
    """As OpenCV fills: coordinates are rounded down, the outline counts."""
    drawn = np.zeros(shape, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(drawn, [np.floor(polygon).astype(np.int32).reshape(-1, 2)], 1)
    return drawn.astype(bool)


def iou(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)


@settings(max_examples=200)
@given(masks())
def test_pycocotools_draws_exactly_the_mask(mask):
    polygons = mask_polygons(mask)
    np.testing.assert_array_equal(decode_mask(polygons, *mask.shape), mask)
    joined = join_polygons(polygons)
    np.testing.assert_array_equal(decode_mask([joined], *mask.shape), mask)


@settings(max_examples=100)
@given(masks())
def test_opencv_draws_the_mask(mask):
    # Lines to holes may run over a pixel of the background where parts touch at corners only.
    assert (filled(mask_polygons(mask), mask.shape) != mask).sum() <= 2


def test_single_pixel_and_empty_mask():
    mask = np.zeros((4, 5), bool)
    assert mask_polygons(mask) == []
    mask[1, 2] = True
    (polygon,) = mask_polygons(mask)
    assert sorted(set(polygon)) == [1.25, 1.75, 2.25, 2.75]
    np.testing.assert_array_equal(decode_mask([polygon], 4, 5), mask)


def test_a_hole_is_cut_in_along_one_line():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    (polygon,) = mask_polygons(mask)
    points = list(zip(polygon[::2], polygon[1::2], strict=True))
    # 4 corners outside, 8 around the hole (its corners are cut), both ends of the line twice.
    assert len(points) == len(set(points)) + 2
    assert has_holes(mask) and not has_holes(np.ones((5, 5), bool))


def test_parts_are_polygons_of_their_own_and_can_be_joined():
    mask = np.zeros((6, 9), bool)
    mask[1:3, 1:3] = mask[2:5, 5:8] = True
    polygons = mask_polygons(mask)
    assert sorted(map(len, polygons)) == [8, 8]
    # Each end of the line that joins them occurs twice.
    assert len(join_polygons(polygons)) == 8 + 8 + 4


def test_tolerance_saves_corners_and_keeps_the_mask():
    y, x = np.mgrid[:60, :60]
    disk = (y - 30) ** 2 + (x - 30) ** 2 < 25**2
    exact, simple = mask_polygons(disk), mask_polygons(disk, 1.0)
    assert len(simple[0]) < len(exact[0]) / 3
    assert iou(decode_mask(simple, 60, 60), disk) > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 9)])
def test_small_objects_stay_exact_whatever_the_tolerance(shape):
    mask = np.zeros((12, 12), bool)
    mask[2 : 2 + shape[0], 1 : 1 + shape[1]] = True
    np.testing.assert_array_equal(decode_mask(mask_polygons(mask, 5.0), 12, 12), mask)
