"""Damaged run lengths are found without pycocotools, which would read anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from bestie.formats import encode_mask
from bestie.formats.coco_check import check_results, rle_mistake


@given(arrays.arrays(bool, st.tuples(st.integers(1, 60), st.integers(1, 60))))
@settings(deadline=None)
def test_every_encoded_mask_is_accepted(mask):
    assert rle_mistake(encode_mask(mask), mask.shape) is None


def test_long_runs_and_uncompressed_counts():
    mask = np.zeros((2000, 3000), bool)
    mask[1999, 2999] = mask[3, 5] = True
    assert rle_mistake(encode_mask(mask), (2000, 3000)) is None
    assert rle_mistake({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3)) is None


@given(st.text(alphabet=[chr(code) for code in range(40, 120)], max_size=12))
@settings(deadline=None)
def test_what_is_accepted_decodes_to_its_size(counts):
    rle = {"size": [4, 5], "counts": counts}
    if rle_mistake(rle, (4, 5)) is None:
        assert coco_mask.decode(rle).shape == (4, 5)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"counts": "6"}, "has the size None"),
        ({"size": 6, "counts": "6"}, "has the size 6"),
        ({"size": [3, 2], "counts": "6"}, "its image [2, 3] (height, width)"),
        ({"size": [2, 3]}, "without counts"),
        ({"size": [2, 3], "counts": [6.0]}, "without counts"),
        ({"size": [2, 3], "counts": ""}, "do not add up to its 6 pixels"),
        ({"size": [2, 3], "counts": "5"}, "do not add up"),
        ({"size": [2, 3], "counts": [7, -1]}, "do not add up"),
        ({"size": [2, 3], "counts": "P" * 30 + "1"}, "do not add up"),
        ({"size": [2, 3], "counts": "6P"}, "do not add up"),
    ],
)
def test_damaged_masks(segmentation, message):
    assert message in rle_mistake(segmentation, (2, 3))


@pytest.mark.parametrize("score", [None, float("nan"), float("inf"), "0.5"])
def test_results_need_scores_that_can_be_sorted(score):
    result = {"image_id": 1, "category_id": 1, "segmentation": {}, "score": 0.5}
    assert check_results([result]) == []
    (message,) = check_results([result | {"score": score}])
    assert "'score'" in message or "is not a finite number" in message
