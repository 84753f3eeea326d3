"""Masks survive the way through polygons, but for their holes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bestie.formats import decode_mask
from bestie.formats.polygons import mask_polygons


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.05, 0.9))
def test_round_trip(seed, share):
    mask = np.random.default_rng(seed).random((13, 17)) < share
    mask[6, 8] = True
    filled = ndimage.binary_fill_holes(mask)
    back = decode_mask(mask_polygons(mask), 13, 17)
    assert (back & filled).sum() / (back | filled).sum() > 0.98


def test_single_pixel_and_empty_mask():
    mask = np.zeros((4, 5), bool)
    assert mask_polygons(mask) == []
    mask[1, 2] = True
    (polygon,) = mask_polygons(mask)
    assert sorted(set(polygon)) == [1.25, 1.75, 2.25, 2.75]
    np.testing.assert_array_equal(decode_mask([polygon], 4, 5), mask)
