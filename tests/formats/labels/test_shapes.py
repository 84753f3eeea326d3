"""Outlines and bitmaps to pixels: by hand, and with everything that cannot be drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.formats.labels.shapes import (
    Bitmap,
    Coded,
    Outline,
    draw_shape,
    ellipse_ring,
    parse_flat_ring,
    parse_ring,
)
from bestie.formats.rle import encode_mask
from tests.formats.labels.reading import box_mask


def rectangle(left, top, right, bottom):
    return ((left, top), (right, top), (right, bottom), (left, bottom))


@settings(deadline=None)
@given(*[st.integers(0, 9) for _ in range(4)])
def test_a_rectangle_covers_the_pixels_between_its_edges(left, top, width, height):
    ring = rectangle(left, top, left + width, top + height)
    found = draw_shape(Outline.of_rings([ring]), 20, 22)
    np.testing.assert_array_equal(found, box_mask(20, 22, left, top, left + width, top + height))


@pytest.mark.parametrize(("shift", "first"), [(0.3, 2), (0.45, 2), (0.55, 3), (0.7, 3)])
def test_a_pixel_belongs_to_an_outline_if_its_center_is_inside(shift, first):
    low, high = 2 + shift, 5 + shift
    found = draw_shape(Outline.of_rings([rectangle(low, low, high, high)]), 10, 10)
    np.testing.assert_array_equal(found, box_mask(10, 10, first, first, first + 3, first + 3))


def test_holes_and_parts():
    outline = Outline(((rectangle(1, 1, 8, 8), rectangle(3, 3, 6, 6)), (rectangle(4, 4, 5, 5),)))
    expected = box_mask(10, 10, 1, 1, 8, 8) & ~box_mask(10, 10, 3, 3, 6, 6)
    expected[4, 4] = True
    np.testing.assert_array_equal(draw_shape(outline, 10, 10), expected)


@pytest.mark.parametrize(
    "shape",
    [
        Outline.of_rings([rectangle(1, 1, 12, 5)]),
        Outline.of_rings([rectangle(-2, 1, 5, 5)]),
        Outline.of_rings([((1, 1), (1e9, 1), (5, 5))]),
        Outline.of_rings([ellipse_ring(5, 5, 1e308, 1)]),
        Bitmap(np.ones((3, 3), bool), left=8, top=0),
        Bitmap(np.ones((3, 3), bool), left=-1, top=0),
        Coded(encode_mask(np.ones((9, 10), bool))),
    ],
)
def test_what_does_not_lie_in_the_image_is_a_mistake(shape):
    assert isinstance(draw_shape(shape, 10, 10), str)


def test_bitmaps_and_codes_keep_their_pixels():
    mask = box_mask(10, 12, 3, 4, 6, 9)
    np.testing.assert_array_equal(draw_shape(Coded(encode_mask(mask)), 10, 12), mask)
    np.testing.assert_array_equal(draw_shape(Bitmap(mask[4:9, 3:6], 3, 4), 10, 12), mask)


def test_shares_of_an_image_become_pixels():
    ring = rectangle(0.25, 0.1, 0.75, 0.5)
    expected = Outline.of_rings([rectangle(5, 1, 15, 5)])
    assert Outline.of_rings([ring]).scaled(20, 10) == expected


@pytest.mark.parametrize("turn", [0, 30, 90])
def test_an_ellipse_has_the_area_of_its_formula(turn):
    found = draw_shape(Outline.of_rings([ellipse_ring(50, 40, 30, 20, turn)]), 80, 100)
    assert abs(found.sum() - np.pi * 30 * 20) < 12
    rows, columns = np.nonzero(found)
    assert abs(rows.mean() - 39.5) < 0.2 and abs(columns.mean() - 49.5) < 0.2
    width = np.ptp(columns) + 1
    assert (
        abs(width - 2 * np.hypot(30 * np.cos(np.radians(turn)), 20 * np.sin(np.radians(turn)))) < 2
    )


def test_rings_are_pairs_or_flat():
    triangle = ((0, 1), (2.5, 3), (4, 5))
    flat, pairs = [0, 1, 2.5, 3, 4, 5], [[0, 1], [2.5, 3], [4, 5]]
    assert parse_flat_ring(flat) == parse_ring(pairs) == triangle
    assert parse_flat_ring(pairs) is None and parse_ring(flat) is None
    for wrong in (None, 5, [], [0, 1, 2, 3], [0] * 7, [[0, 1], [2, 3]], [[0, 1, 2]] * 3, ["x"] * 6):
        assert parse_ring(wrong) is None and parse_flat_ring(wrong) is None
