import pytest
import torch

from bestie.methods.solo import inference as module
from bestie.methods.solo.inference import (
    Candidates,
    HeadOutputs,
    RankSettings,
    plain_candidates,
    rank,
)
from bestie.methods.solo.kernels import measure_masks

# 16 feature pixels: two features, of the left and of the right half.
FEATURES = torch.tensor([[[9.0, 9, -9, -9]] * 4, [[-9.0, -9, 9, 9]] * 4])
LEFT, RIGHT, WEAK, NOWHERE = [1.0, 0.0], [0.0, 1.0], [0.1, 0.0], [-1.0, -1.0]


def outputs(*kernels):
    """Cells of a 2 x 2 level and of a 1 x 1 level with these kernels."""
    logits = [torch.zeros(2, 2, 2), torch.zeros(2, 1, 1)]
    return HeadOutputs(logits, torch.tensor(kernels), FEATURES)


def candidates(cells, classes=None, values=None):
    classes = [0] * len(cells) if classes is None else classes
    values = [0.5] * len(cells) if values is None else values
    return Candidates(torch.tensor(cells), torch.tensor(classes), torch.tensor(values))


FOUR = (LEFT, RIGHT, WEAK, NOWHERE, LEFT)


def test_class_probability_of_cells_of_all_levels():
    logits = [
        torch.tensor([[[0.0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        torch.tensor([[[8.0]], [[9.0]]]),
    ]
    given = HeadOutputs(logits, torch.zeros(5, 2), FEATURES)
    found = given.class_probability(torch.tensor([[0, 4], [3, 4]]), torch.tensor([[0], [1]]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 8.0], [7.0, 9.0]]).sigmoid())
    assert given.grids == [2, 1]


def test_plain_candidates_are_maxima_above_the_threshold():
    logits = torch.full((1, 3, 3), -9.0)
    logits[0, 1, 1], logits[0, 1, 2], logits[0, 0, 0] = 2.0, 1.0, 0.0
    found = plain_candidates([logits, torch.tensor([[[3.0]]])], 0.1)
    # Cell (1, 2) has a larger left neighbor; (0, 0) has none above or left of it.
    assert found.cells.tolist() == [0, 4, 9] and found.classes.tolist() == [0, 0, 0]
    torch.testing.assert_close(found.values, torch.tensor([0.0, 2.0, 3.0]).sigmoid())
    assert len(plain_candidates([logits], 0.99).cells) == 0


def test_score_is_value_times_maskness_and_empty_masks_go():
    settings = RankSettings(strides=(1, 1), nms="none")
    found = rank(candidates([0, 1, 2, 3], values=[0.5, 0.9, 0.9, 0.9]), outputs(*FOUR), settings)
    assert found.index.tolist() == [1, 2, 0]
    sure, weak = torch.tensor([9.0, 0.9]).sigmoid()
    torch.testing.assert_close(found.scores, torch.stack([0.9 * sure, 0.9 * weak, 0.5 * sure]))


def test_masks_not_larger_than_the_stride_of_their_level_go():
    settings = RankSettings(strides=(7, 8), nms="none")
    assert rank(candidates([0, 4]), outputs(*FOUR), settings).index.tolist() == [0]


@pytest.mark.parametrize(("nms", "number"), [("none", 3), ("mask", 2), ("matrix", 3)])
def test_duplicates_of_a_class_are_suppressed(nms, number):
    settings = RankSettings(strides=(1, 1), nms=nms)
    found = rank(candidates([0, 4, 1], values=[0.9, 0.8, 0.7]), outputs(*FOUR), settings)
    assert len(found.index) == number
    if nms == "matrix":  # IoU 1 and sigma 2: e^-2 of the score is left, which makes it the last
        assert found.index.tolist() == [0, 2, 1]
        assert found.scores[2].item() == pytest.approx(0.8 * 0.1353, rel=1e-2)
    other_class = rank(candidates([0, 4], [0, 1]), outputs(*FOUR), settings)
    assert len(other_class.index) == 2


def test_limits_before_and_after_the_suppression():
    given = candidates([0, 1, 4], values=[0.9, 0.8, 0.7])
    settings = RankSettings(strides=(1, 1), nms="mask", top_k=2)
    assert rank(given, outputs(*FOUR), settings).index.tolist() == [0, 1]
    settings = RankSettings(strides=(1, 1), nms="mask", max_instances=1)
    assert rank(given, outputs(*FOUR), settings).index.tolist() == [0]


def test_known_measures_are_not_measured_again(monkeypatch):
    given, settings = candidates([0, 1, 2]), RankSettings(strides=(1, 1), nms="none")
    expected = rank(given, outputs(*FOUR), settings)
    measures = measure_masks(outputs(*FOUR).kernels[given.cells], FEATURES)
    monkeypatch.setattr(module, "measure_masks", None)
    found = rank(given, outputs(*FOUR), settings, measures)
    assert torch.equal(found.index, expected.index) and torch.equal(found.scores, expected.scores)


def test_no_candidates():
    none = Candidates(*(torch.zeros(0, dtype=t) for t in (torch.int64, torch.int64, torch.float32)))
    for nms in ("matrix", "mask", "none"):
        assert len(rank(none, outputs(*FOUR), RankSettings(strides=(1, 1), nms=nms)).index) == 0


def test_unknown_suppression_is_refused():
    with pytest.raises(ValueError, match="TEST.NMS must be one of matrix, mask, none, got soft"):
        RankSettings(nms="soft")
