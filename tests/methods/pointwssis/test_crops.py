import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from bestie.methods.pointwssis.crops import (
    crop_images,
    crop_masks,
    gaussian_maps,
    loose_crops,
    paste_windows,
    point_planes,
    points_in_crops,
)
from bestie.methods.solo.grids import mask_boxes
from tests.methods.reference_arrays import masks_of_windows


def mask_of(height, width, *boxes):
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top : bottom + 1, left : right + 1] = True
    return masks


def test_box_of_a_mask():
    boxes = [[1, 2, 3, 5], [0, 0, 0, 0], [7, 9, 7, 9]]
    occupied, found = mask_boxes(mask_of(8, 10, *boxes, [5, 5, 4, 4]))
    assert found[:3].tolist() == boxes and occupied.tolist() == [True, True, True, False]
    assert mask_boxes(mask_of(8, 10))[1].shape == (0, 4)


@pytest.mark.parametrize(
    "point, crop",
    [((5, 5), [2, 1, 8, 9]), ((0.5, 5), [0, 1, 8, 9]), ((5, 12), [2, 1, 8, 16])],
    ids=["inside", "above", "right"],
)
def test_crop_is_twice_the_box_and_reaches_beyond_the_point(point, crop):
    found = loose_crops(torch.tensor([[4, 3, 7, 7]]), torch.tensor([point]), 2.0, (20, 30))
    assert found.tolist() == [crop]


boxes = st.tuples(*[st.integers(0, 15)] * 4).map(
    lambda v: [min(v[0], v[1]), min(v[2], v[3]), max(v[0], v[1]), max(v[2], v[3])]
)
coordinates = st.tuples(*[st.floats(0, 15.99)] * 2)


@settings(max_examples=80, deadline=None)
@given(boxes, coordinates, st.floats(1, 3))
def test_crop_lies_in_the_image_and_holds_box_and_point(box, point, scale):
    crop = loose_crops(torch.tensor([box]), torch.tensor([point]), scale, (16, 16))[0]
    assert (crop >= 0).all() and (crop < 16).all()
    pixel = torch.tensor(point).floor()
    assert (crop[:2] <= torch.tensor(box[:2])).all() and (crop[2:] >= torch.tensor(box[2:])).all()
    assert (crop[:2] <= pixel).all() and (crop[2:] >= pixel).all()
    seen = points_in_crops(torch.tensor([point]), crop[None], 8)
    assert ((seen >= 0) & (seen < 8)).all()


@settings(max_examples=25, deadline=None)
@given(boxes, st.integers(1, 20))
def test_squeezing_is_that_of_torch(box, size):
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    top, left, bottom, right = box
    cut = image[1:, :, top : bottom + 1, left : right + 1]
    expected = F.interpolate(cut, (size, size), mode="bilinear", align_corners=False)
    found = crop_images(image, torch.tensor([1]), torch.tensor([box]), size)
    torch.testing.assert_close(found, expected)
    mask = image[0, :1] > 0.5
    expected = F.interpolate(mask[None, :, top : bottom + 1, left : right + 1].float(), size)
    found = crop_masks(mask, torch.tensor([box]), size)
    assert torch.equal(found, expected[0] > 0.5)


def test_gaussian_by_hand_cut_at_three_sigma_plus_one():
    maps = gaussian_maps(torch.tensor([[5, 6], [-1, 2], [5, 12]]), 12, 1.0)
    assert maps[0, 5, 6] == 1
    assert maps[0, 4, 8] == pytest.approx(float(torch.tensor(-2.5).exp()))
    assert maps[0, 5, 10] > 0 and maps[0, 5, 11] == 0 and maps[0, 5, 1] == 0
    assert not maps[1:].any()


def test_class_zero_has_a_plane_of_its_own():
    planes = point_planes(torch.ones(2, 3, 3), torch.tensor([0, 4]), 5)
    assert planes.shape == (2, 6, 3, 3)
    assert planes.amax(dim=(2, 3)).tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


def test_answer_comes_back_into_its_crop_at_the_size_of_the_photo():
    crops = torch.tensor([[2, 1, 9, 8], [0, 0, 5, 5]])
    logits = torch.zeros(2, 2, 8, 8)
    logits[0, 1, :4] = 5.0  # the upper half of a crop of 8 x 8 pixels
    logits[0, 0, 4:] = logits[1, 0] = 5.0
    for factor in (1, 2, 10):
        size = (20 * factor, 30 * factor)
        masks = masks_of_windows(paste_windows(logits, crops, (20, 30), size), size)
        expected = np.zeros(size, bool)
        expected[2 * factor : 6 * factor, factor : 9 * factor] = True
        np.testing.assert_array_equal(masks[0], expected)
        assert not masks[1].any()


def test_crop_of_a_pixel_may_hold_no_pixel_of_a_smaller_photo():
    logits = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)], dim=1)
    (window,) = paste_windows(logits, torch.tensor([[0, 0, 0, 0]]), (20, 30), (4, 6))
    assert not window.mask.any()
    (window,) = paste_windows(logits, torch.tensor([[2, 2, 2, 2]]), (20, 30), (4, 6))
    assert window.mask.tolist() == [[True]] and (window.top, window.left) == (0, 0)


def test_encoding_and_pasting_a_mask_gives_it_back():
    rough = mask_of(20, 30, [4, 3, 7, 7], [0, 0, 9, 12])
    crops = loose_crops(mask_boxes(rough)[1], torch.tensor([[5.0, 5.0], [3.0, 3.0]]), 2.0, (20, 30))
    seen = crop_masks(rough, crops, 64).float()
    logits = torch.stack([1 - seen, seen], dim=1) * 10
    masks = masks_of_windows(paste_windows(logits, crops, (20, 30), (20, 30)), (20, 30))
    np.testing.assert_array_equal(masks, rough)


def test_nothing_to_refine():
    none = torch.zeros(0, 20, 30, dtype=torch.bool)
    crops = loose_crops(mask_boxes(none)[1], torch.zeros(0, 2), 2.0, (20, 30))
    index = torch.zeros(0, dtype=torch.int64)
    assert crop_images(torch.zeros(1, 3, 20, 30), index, crops, 8).shape == (0, 3, 8, 8)
    assert list(paste_windows(torch.zeros(0, 2, 8, 8), crops, (20, 30), (20, 30))) == []
