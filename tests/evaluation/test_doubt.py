import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bestie.evaluation.doubt import Doubt, label_doubt
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import Points


def points(*rows) -> Points:
    """(y, x, class, score) each."""
    table = np.array(rows, float).reshape(-1, 4)
    return Points(table[:, :2], table[:, 2].astype(np.int64), table[:, 3].astype(np.float32))


def labels(*boxes) -> LabelledMasks:
    """(class, score, top, left, bottom, right) each, in images of 4 x 8."""
    arrays = np.zeros((len(boxes), 4, 8), bool)
    for array, (_, _, top, left, bottom, right) in zip(arrays, boxes, strict=True):
        array[top:bottom, left:right] = True
    return LabelledMasks.from_arrays(arrays, [b[0] for b in boxes], [b[1] for b in boxes])


def semantic_map(*boxes) -> np.ndarray:
    """(value, top, left, bottom, right) each."""
    result = np.zeros((4, 8), np.uint8)
    for value, top, left, bottom, right in boxes:
        result[top:bottom, left:right] = value
    return result


def test_labels_that_agree_with_everything_are_not_doubtful():
    found = labels((0, 1.0, 0, 0, 2, 2), (1, 1.0, 2, 4, 4, 8))
    cues = points((0, 0, 0, 1), (3, 5, 1, 1))
    doubt = label_doubt(found, cues, semantic_map((1, 0, 0, 2, 2), (2, 2, 4, 4, 8)), [0, 1])
    assert doubt == Doubt(0.0, 0.0, 0.0, 0.0, 2) and doubt.total == 0


def test_parts_can_be_counted_by_hand():
    found = labels((0, 0.5, 0, 0, 2, 4), (0, 0.7, 2, 0, 4, 4))
    cues = points((0, 0, 0, 0.9), (1, 1, 0, 0.8), (3, 3, 0, 0.9), (0, 7, 1, 0.9), (3, 7, 1, 0.2))
    weak = semantic_map((1, 0, 0, 1, 4), (2, 0, 6, 2, 8), (255, 2, 0, 4, 4))
    doubt = label_doubt(found, cues, weak, [0, 1, 2], threshold=0.7)
    assert doubt.scores == pytest.approx(0.4)
    # Of 2 labels and 4 sure points, the second label holds exactly one.
    assert doubt.points == pytest.approx(1 - 2 / 6)
    # Class 0: 8 known pixels labelled, 4 in the map, all common; class 1: 4 in the map alone.
    assert doubt.maps == pytest.approx(1 - 4 / 12)
    assert doubt.tags == pytest.approx(2 / 3)
    assert doubt.candidates == 5
    parts = (0.4, 2 / 3, 2 / 3, 2 / 3)
    assert doubt.total == pytest.approx(sum(parts) / 4 * math.log2(6))


def test_an_image_that_lost_its_labels_is_doubtful():
    doubt = label_doubt(labels(), points(), semantic_map(), [2])
    assert doubt == Doubt(1.0, None, None, 1.0, 1) and doubt.total == 1.0


def test_an_empty_image_is_not_doubtful():
    assert label_doubt(labels(), points(), semantic_map(), []).total == 0
    assert label_doubt(labels(), None, None, None) == Doubt(None, None, None, None, 0)


def test_parts_that_are_not_known_take_no_part():
    found = labels((0, 0.25, 0, 0, 1, 1))
    assert label_doubt(found, None, None, None).total == 0.75


def test_points_outside_the_image_are_held_by_no_label():
    found = labels((0, 1.0, 0, 0, 4, 8))
    assert label_doubt(found, points((-1, 0, 0, 1), (0, 8, 0, 1)), None, None).points == 1.0


@given(st.integers(0, 10**6))
def test_parts_lie_in_their_range_and_the_order_of_labels_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    number, cues = rng.integers(0, 4, 2)
    arrays = rng.random((number, 4, 8)) < 0.4
    classes, scores = rng.integers(0, 3, number), rng.random(number)
    some = Points(rng.uniform(-1, 9, (cues, 2)), rng.integers(0, 3, cues), rng.random(cues))
    weak = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (4, 8))
    tags = np.unique(rng.integers(0, 3, 2)).tolist()
    order = rng.permutation(number)
    first, second = (
        label_doubt(LabelledMasks.from_arrays(a, c, s), some, weak, tags, 0.5)
        for a, c, s in ((arrays, classes, scores), (arrays[order], classes[order], scores[order]))
    )
    assert first.total == pytest.approx(second.total)
    for part in (first.scores, first.points, first.maps, first.tags):
        assert part is None or -1e-9 <= part <= 1
    assert 0 <= first.total <= math.log2(1 + first.candidates) + 1e-9
