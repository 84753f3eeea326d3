"""Masks as run-length codes, against pycocotools' coding of the whole mask."""

import numpy as np
import pytest
import torch
from detectron2.structures import Instances
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bestie.formats import RLEMasks, decode_mask, encode_label_map, encode_mask, encode_window

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
label_maps = arrays.arrays(np.int32, shapes, elements=st.integers(0, 4))


@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))),
    st.tuples(*[st.integers(0, 3)] * 4),
)
def test_a_window_is_coded_as_the_whole_mask(window, margins):
    top, left, bottom, right = margins
    whole = np.pad(window, ((top, bottom), (left, right)))
    assert encode_window(window, top, left, whole.shape) == encode_mask(whole)


@given(label_maps)
def test_a_label_map_is_coded_as_its_masks(label_map):
    codes = encode_label_map(label_map, 5)
    assert codes == [encode_mask(label_map == number) for number in range(1, 6)]


@settings(deadline=None)
@given(label_maps, st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_masks_stay_disjoint_at_any_size(label_map, size):
    codes = encode_label_map(label_map, 4, size)
    assert all(code["size"] == list(size) for code in codes)
    assert sum(decode_mask(code, *size).astype(int) for code in codes).max() <= 1


@settings(deadline=None)
@given(label_maps, st.sampled_from([2, 4]), st.sampled_from([0, 1]))
def test_enlarged_masks_flip_with_their_map(label_map, factor, axis):
    size = (label_map.shape[0] * factor, label_map.shape[1] * factor)
    flipped = encode_label_map(np.ascontiguousarray(np.flip(label_map, axis)), 4, size)
    straight = encode_label_map(label_map, 4, size)
    for one, other in zip(flipped, straight, strict=True):
        expected = np.flip(decode_mask(other, *size), axis)
        assert (decode_mask(one, *size) == expected).all()


def test_straight_edges_are_enlarged_exactly_and_corners_are_rounded():
    label_map = np.zeros((4, 6), np.int64)
    label_map[:, 2:4] = 1
    (code,) = encode_label_map(label_map, 1, (16, 24))
    expected = np.zeros((16, 24), bool)
    expected[:, 8:16] = True
    assert code == encode_mask(expected)
    label_map = np.zeros((4, 4), np.int64)
    label_map[1:3, 1:3] = 1
    mask = decode_mask(encode_label_map(label_map, 1, (32, 32))[0], 32, 32)
    assert not mask[8, 8] and mask[8, 16] and mask[16, 8] and mask[16, 16]
    assert mask.sum() == pytest.approx(256, rel=0.15)


def test_touching_instances_leave_no_gap():
    label_map = np.repeat(np.array([[1, 2, 1, 2]]), 4, axis=0)
    for size in ((6, 6), (5, 7), (13, 9)):
        codes = encode_label_map(label_map, 2, size)
        assert (sum(decode_mask(code, *size).astype(int) for code in codes) == 1).all()


def test_an_instance_smaller_than_a_pixel_of_the_photo_is_empty():
    label_map = np.zeros((90, 90), np.int32)
    label_map[1, 1] = 1
    masks = RLEMasks(encode_label_map(label_map, 1, (10, 10)), (10, 10))
    assert masks.areas().tolist() == [0] and masks.boxes().tolist() == [[0, 0, 0, 0]]


def test_detectron2_selects_moves_and_joins_masks_as_tensors():
    pictures = np.zeros((3, 4, 5), bool)
    pictures[0, 1:3, 2:4] = pictures[1, 0, 0] = True
    instances = Instances((4, 5))
    instances.pred_masks = RLEMasks([encode_mask(mask) for mask in pictures], (4, 5))
    instances.scores = torch.tensor([0.9, 0.5, 0.1])
    assert (np.asarray(instances.pred_masks) == pictures).all()
    for item, kept in (
        (torch.tensor([True, False, True]), [0, 2]),
        (torch.tensor([2, 0]), [2, 0]),
        (slice(1, 3), [1, 2]),
        (1, [1]),
        (torch.zeros(3, dtype=torch.bool), []),
    ):
        chosen = instances.to("cpu")[item].pred_masks
        assert len(chosen) == len(kept)
        assert all((a == pictures[k]).all() for a, k in zip(chosen, kept, strict=True))
    assert instances.pred_masks.areas().tolist() == [4, 1, 0]
    assert instances.pred_masks.boxes().tolist() == [[2, 1, 4, 3], [0, 0, 1, 1], [0, 0, 0, 0]]


def test_codes_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"size \(4, 5\), got \{\(3, 5\)\}"):
        RLEMasks([encode_mask(np.zeros((3, 5), bool))], (4, 5))
