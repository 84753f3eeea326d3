import numpy as np
import pytest

from bestie.evaluation.agreement import measure_agreement
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import Points


def points(*rows) -> Points:
    """(y, x, class) each."""
    table = np.array(rows, float).reshape(-1, 3)
    classes = table[:, 2].astype(np.int64)
    return Points(table[:, :2], classes, np.ones(len(classes), np.float32))


def masks(*boxes) -> LabelledMasks:
    """(class, top, left, bottom, right) each, in images of 4 x 8."""
    arrays = np.zeros((len(boxes), 4, 8), bool)
    for array, (_, top, left, bottom, right) in zip(arrays, boxes, strict=True):
        array[top:bottom, left:right] = True
    return LabelledMasks.from_arrays(arrays, [box[0] for box in boxes])


def test_shares_can_be_counted_by_hand():
    semantic_map = np.zeros((4, 8), np.uint8)
    semantic_map[:2, :4] = 1  # 8 pixels of class 0
    semantic_map[3, :4] = 255
    labels = masks((0, 0, 0, 4, 2), (1, 0, 6, 1, 8))
    cues = points((0, 0, 0), (1, 3, 0), (0, 7, 0))
    agreement = measure_agreement([(cues, semantic_map, labels, [0, 2])])
    assert agreement == {
        "cues_in_maps": pytest.approx(200 / 3),
        "cues_in_labels": pytest.approx(100 / 3),
        "labels_with_one_cue": 50.0,  # the cue at (0, 7) is of another class than its label
        "labels_in_maps": 50.0,  # 4 of 8 pixels; 2 are ignored
        "maps_in_labels": 50.0,
        "tags_with_labels": 50.0,
    }


def test_images_without_anything_give_no_number():
    nothing = (points(), np.zeros((4, 8), np.uint8), masks(), [])
    assert set(measure_agreement([nothing, nothing]).values()) == {None}


def test_cues_outside_the_image_agree_with_nothing():
    semantic_map = np.ones((4, 8), np.uint8)
    outside = points((-1, 0, 0), (0, 8, 0), (3.9, 7.9, 0))
    agreement = measure_agreement([(outside, semantic_map, masks((0, 0, 0, 4, 8)), [0])])
    assert agreement["cues_in_maps"] == agreement["cues_in_labels"] == pytest.approx(100 / 3)
