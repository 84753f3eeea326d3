import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bestie.formats import encode_mask
from bestie.methods.pointwssis.rough_masks import masks_at_size


def mask(height, width, *pixels):
    array = np.zeros((height, width), bool)
    for y, x in pixels:
        array[y, x] = True
    return array


def test_the_size_of_the_photo_leaves_masks_as_they_are():
    first, second = mask(2, 3, (0, 1)), mask(2, 3, (1, 0), (1, 2))
    found = masks_at_size([encode_mask(first), encode_mask(second)], (2, 3))
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found, [first, second])


def test_no_masks_are_an_empty_array_of_the_size():
    assert masks_at_size([], (4, 5)).shape == (0, 4, 5)


def test_a_larger_pixel_is_set_if_more_than_half_of_it_is_covered():
    # Of nine pixels each: 9, 5, 4 and 0 are set.
    photo = np.zeros((3, 12), bool)
    photo[:, :3] = photo[:2, 3:5] = photo[2, 3] = photo[:2, 6:8] = True
    assert masks_at_size([encode_mask(photo)], (1, 4)).tolist() == [[[True, True, False, False]]]


def test_half_of_a_pixel_is_enough_where_the_photo_is_twice_as_large():
    photo = mask(2, 4, (0, 0), (1, 1), (0, 2))
    assert masks_at_size([encode_mask(photo)], (1, 2)).tolist() == [[[True, False]]]


@given(
    st.integers(2, 9),
    st.integers(2, 9),
    st.integers(2, 4),
    st.data(),
)
def test_pixels_that_are_repeated_come_back(height, width, factor, data):
    small = np.array(
        data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    ).reshape(height, width)
    large = small.repeat(factor, 0).repeat(factor, 1)
    found = masks_at_size([encode_mask(large)], (height, width))
    np.testing.assert_array_equal(found[0], small)


@pytest.mark.parametrize("size", [(20, 33), (7, 5)])
def test_a_half_plane_keeps_its_share_and_its_side(size):
    photo = np.zeros((10, 16), bool)
    photo[:5] = True
    found = masks_at_size([encode_mask(photo)], size)[0].numpy()
    assert found[0].all() and not found[-1].any()
    assert abs(found.mean() - 0.5) <= 1 / size[0]
