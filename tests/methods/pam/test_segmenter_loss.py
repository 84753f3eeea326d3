import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.pam.segmenter_loss import weak_map_loss


def logits_of(*probabilities: float) -> torch.Tensor:
    """One row of pixels, two classes; the probabilities are those of class 0."""
    p = torch.tensor(probabilities)
    return torch.stack([p, 1 - p]).log().view(1, 2, 1, -1)


def test_it_is_the_mean_over_the_labeled_pixels():
    target = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    loss = weak_map_loss(logits_of(0.5, 0.75, 0.1), target)
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_pixels_of_the_highest_loss_are_left_out():
    target = torch.zeros(1, 1, 4, dtype=torch.uint8)
    loss = weak_map_loss(logits_of(0.5, 0.01, 0.25, 0.9), target, kept_share=0.5)
    assert loss.item() == pytest.approx((math.log(2) - math.log(0.9)) / 2)
    # At least one pixel counts.
    loss = weak_map_loss(logits_of(0.5, 0.01), target[..., :2], kept_share=0.1)
    assert loss.item() == pytest.approx(math.log(2))


def test_the_symmetric_term_is_bounded():
    target = torch.zeros(1, 1, 1, dtype=torch.uint8)
    for p in (0.5, 1e-6):
        plain = weak_map_loss(logits_of(p), target)
        both = weak_map_loss(logits_of(p), target, symmetric_weight=0.5)
        assert (both - plain).item() == pytest.approx(0.5 * 4 * (1 - p), rel=1e-4)


@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_without_labels_it_is_zero_and_has_a_gradient(kept):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    target = torch.full((2, 4, 4), 255, dtype=torch.uint8)
    loss = weak_map_loss(logits, target, kept_share=kept, symmetric_weight=1.0)
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**16), st.floats(0.05, 1), st.floats(0, 3))
def test_fewer_pixels_never_raise_the_mean(seed, kept, weight):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 5, 3, generator=generator)
    target = torch.randint(0, 4, (2, 5, 3), generator=generator)
    target[0, 0] = 255
    options = {"symmetric_weight": weight}
    all_pixels = weak_map_loss(logits, target, **options)
    some = weak_map_loss(logits, target, kept_share=kept, **options)
    assert some <= all_pixels + 1e-5
