import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.solo.suppression import greedy_nms, matrix_nms, overlaps, point_nms


def rows(*spans):
    masks = torch.zeros(len(spans), 1, 12, dtype=torch.bool)
    for mask, (begin, end) in zip(masks, spans, strict=True):
        mask[0, begin:end] = True
    return masks


def groups(*numbers):
    return torch.tensor(numbers)


def test_point_nms_looks_up_left_and_diagonally():
    plane = torch.tensor([[0.5, 0.4, 0.6], [0.3, 0.7, 0.2]])[None, None]
    assert point_nms(plane)[0, 0].tolist() == torch.tensor([[0.5, 0, 0.6], [0, 0.7, 0]]).tolist()


def test_overlaps_by_hand():
    iou = overlaps(rows((0, 4), (2, 6), (2, 6), (0, 0), (0, 0)), groups(0, 0, 1, 0, 0))
    assert iou[0].tolist() == [0, pytest.approx(1 / 3), 0, 0, 0]
    assert not iou[1:].any()


def test_removed_mask_removes_nobody():
    # The second goes because of the first; the third, which only the second overlaps, stays.
    masks = rows((0, 4), (1, 5), (2, 6))
    assert greedy_nms(overlaps(masks, groups(0, 0, 0)), 0.5).tolist() == [True, False, True]


def test_iou_at_the_threshold_stays():
    iou = overlaps(rows((0, 4), (0, 2)), groups(0, 0))
    assert greedy_nms(iou, 0.5).tolist() == [True, True]
    assert greedy_nms(iou, 0.49).tolist() == [True, False]


def test_third_equal_mask_has_no_score_left_with_the_linear_kernel():
    iou = overlaps(rows((0, 4), (0, 4), (0, 4), (0, 6)), groups(0, 0, 0, 0))
    scores = matrix_nms(iou, torch.tensor([0.9, 0.8, 0.7, 0.6]), "linear")
    torch.testing.assert_close(scores, torch.tensor([0.9, 0, 0, 0.6 / 3]))


def test_unknown_kernel_is_refused():
    with pytest.raises(ValueError, match="gaussian, linear, got 'cosine'"):
        matrix_nms(torch.zeros(1, 1), torch.ones(1), "cosine")


@pytest.mark.parametrize("kernel", ["gaussian", "linear"])
def test_no_masks(kernel):
    iou = overlaps(rows(), groups().long())
    assert len(greedy_nms(iou)) == 0
    assert len(matrix_nms(iou, torch.zeros(0), kernel)) == 0


def one_by_one(iou, threshold):
    """Greedy NMS as it is usually written."""
    keep = []
    for j in range(len(iou)):
        keep.append(all(not keep[i] or iou[i, j] <= threshold for i in range(j)))
    return keep


spans = st.tuples(st.integers(0, 11), st.integers(1, 8)).map(lambda s: (s[0], min(12, sum(s))))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(spans, st.integers(0, 1)), max_size=12))
def test_greedy_nms_equals_the_loop_and_matrix_nms_never_raises_a_score(items):
    iou = overlaps(rows(*(span for span, _ in items)), torch.tensor([g for _, g in items]).long())
    assert greedy_nms(iou, 0.5).tolist() == one_by_one(iou, 0.5)
    scores = torch.linspace(1, 0.5, len(items))
    for kernel in ("gaussian", "linear"):
        lowered = matrix_nms(iou, scores, kernel)
        assert ((lowered >= 0) & (lowered <= scores + 1e-6)).all()
        assert torch.equal(lowered[:1], scores[:1])
