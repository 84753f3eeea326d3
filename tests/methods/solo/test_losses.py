import math

import pytest
import torch

from bestie.methods.solo.losses import class_loss, dice_loss, mask_loss


def test_dice_by_hand():
    target = torch.tensor([[True, True, False, False]])
    perfect, wrong = target.float(), (~target).float()
    half = torch.full((1, 4), 0.5)
    found = dice_loss(torch.cat([perfect, wrong, half]), target.expand(3, -1), epsilon=0.0)
    # Half everywhere: 1 - 2 * 1 / (4 * 0.25 + 2).
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 1 / 3]))


def test_empty_mask_and_empty_target_are_finite():
    nothing = torch.zeros(1, 4)
    assert dice_loss(nothing, nothing.bool()).item() == pytest.approx(1)


def test_mask_loss_is_the_mean_over_the_pairs_of_all_images():
    features = torch.zeros(2, 1, 1, 2)
    features[0, 0, 0] = torch.tensor([99.0, -99.0])
    features[1, 0, 0] = torch.tensor([-99.0, 99.0])
    kernels = torch.ones(2, 3, 1)
    images, cells = torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1])
    left = torch.tensor([[[True, False]]]).expand(3, -1, -1)
    # The first two pairs are right, the third one is the other half.
    loss = mask_loss(kernels, features, images, cells, left)
    assert loss.item() == pytest.approx(1 / 3, abs=1e-3)


def test_no_pairs_give_a_loss_of_zero_with_gradients():
    kernels = torch.ones(1, 3, 2, requires_grad=True)
    features = torch.ones(1, 2, 2, 2, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    loss = mask_loss(kernels, features, none, none, torch.zeros(0, 2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and not kernels.grad.any() and not features.grad.any()


def test_class_loss_by_hand():
    """One cell of each of two levels, two classes, one positive."""
    logits = [torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)]
    # Probability 1/2: (1/2)^2 ln 2 times 0.25 for the positive and 0.75 for the 3 negatives.
    expected = 0.25 * math.log(2) * (0.25 + 3 * 0.75) / 2
    assert class_loss(logits, torch.tensor([[1, 2]])).item() == pytest.approx(expected)
    background = 0.25 * math.log(2) * 4 * 0.75
    assert class_loss(logits, torch.tensor([[2, 2]])).item() == pytest.approx(background)
