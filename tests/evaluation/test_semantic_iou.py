import numpy as np
import pytest

from bestie.evaluation.semantic_iou import SemanticTruth, class_iou, count_confusions
from tests.evaluation.tiny_data import rectangle, write_root


def test_iou_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 2, 2, 255]], np.uint8)
    given = np.array([[0, 1, 1, 1], [0, 2, 255, 2]], np.uint8)
    confusion = count_confusions(truth, given, 3)
    assert confusion.sum() == 6  # both ignored pixels are left out
    found = class_iou(confusion)
    np.testing.assert_allclose(found[:3], [2 / 3, 2 / 3, 1.0])
    assert np.isnan(found[3])


def test_a_false_class_costs_the_others_only():
    found = class_iou(count_confusions(np.array([[0, 0]]), np.array([[0, 1]], np.uint8), 1))
    assert found[0] == 0.5 and np.isnan(found[1])


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="ground truth"):
        count_confusions(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 1)


@pytest.mark.parametrize("pngs", [True, False])
def test_truth_comes_from_files_or_json(tmp_path, pngs):
    truth = SemanticTruth(write_root(tmp_path / "root", pngs=pngs))
    expected = 1 * rectangle(0, 0, 12, 8) + 2 * rectangle(0, 8, 12, 16)
    np.testing.assert_array_equal(truth.read(104), expected)
