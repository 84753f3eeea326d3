"""The score that ranks images, on rectangles."""

import math

import pytest

from bestie.evaluation.image_score import instance_quality
from tests.evaluation.tiny_data import labels_of

LEFT, RIGHT = (0, 0, 0, 12, 10), (0, 0, 10, 12, 20)


def test_perfect_predictions_score_one():
    assert instance_quality(labels_of([RIGHT, LEFT]), labels_of([LEFT, RIGHT])) == 1


def test_misses_and_inventions_cost_alike():
    missed = instance_quality(labels_of([LEFT]), labels_of([LEFT, RIGHT]))
    invented = instance_quality(labels_of([LEFT, RIGHT]), labels_of([LEFT]))
    assert missed == invented == pytest.approx(2 / 3)


def test_pairs_need_the_iou_and_the_class():
    smaller = (0, 0, 0, 9, 10)  # IoU 3/4
    assert instance_quality(labels_of([smaller]), labels_of([LEFT])) == pytest.approx(0.75)
    assert instance_quality(labels_of([smaller]), labels_of([LEFT]), threshold=0.8) == 0
    assert instance_quality(labels_of([(1, *LEFT[1:])]), labels_of([LEFT])) == 0


def test_nothing_to_find_and_nothing_found_has_no_score():
    assert math.isnan(instance_quality(labels_of([]), labels_of([])))
    assert instance_quality(labels_of([LEFT]), labels_of([])) == 0
