import pytest
import torch

from bestie.methods.pointwssis.losses import two_class_dice


def test_dice_by_hand():
    target = torch.tensor([[[True, False]]])
    logits = torch.tensor([[[[-99.0, 99.0]], [[99.0, -99.0]]]])
    assert two_class_dice(logits, target).item() == pytest.approx(0, abs=1e-6)
    assert two_class_dice(-logits, target).item() == pytest.approx(1)
    # Probability 1/2 everywhere: 2 * 0.5 / (1 + 1) for both classes.
    assert two_class_dice(torch.zeros(1, 2, 1, 2), target).item() == pytest.approx(0.5)
    assert two_class_dice(torch.zeros(0, 2, 1, 2), target[:0]).item() == 0


def test_class_that_is_nowhere_keeps_the_loss_finite():
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    sure = torch.tensor([99.0, -99.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    # The background is right; the object, 0 of 0 pixels, counts as 0.
    assert two_class_dice(sure, nothing).item() == pytest.approx(0.5)


def test_sums_run_over_the_whole_batch_and_the_gradient_pulls_towards_the_target():
    target = torch.tensor([[[True, True]], [[False, False]]])
    logits = torch.zeros(2, 2, 1, 2, requires_grad=True)
    # Probability 1/2 on 4 pixels, 2 of which belong to each class: 2 * 1 / (2 + 2).
    loss = two_class_dice(logits, target)
    assert loss.item() == pytest.approx(0.5)
    loss.backward()
    assert (logits.grad[0, 1] < 0).all() and (logits.grad[1, 1] > 0).all()


def test_empty_batch_has_a_gradient_of_zero():
    logits = torch.zeros(0, 2, 4, 4, requires_grad=True)
    two_class_dice(logits, torch.zeros(0, 4, 4, dtype=torch.bool)).backward()
    assert logits.grad.shape == logits.shape
