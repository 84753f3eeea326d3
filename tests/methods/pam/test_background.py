import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.pam.background import CANDIDATES, agreed_background


def steps(*levels: float) -> torch.Tensor:
    """(1, 1, len) map."""
    return torch.tensor(levels).view(1, 1, -1)


def test_a_score_on_the_plateau_that_all_passes_share_is_chosen():
    # The object, four pixels at 0.8 or more, is alike in both; around it noise differs.
    one = steps(0.12, 0.32, 0.05, 0.8, 0.9, 1.0, 0.85, 0.31, 0.02, 0.02)
    other = steps(0.3, 0.02, 0.31, 0.9, 0.8, 1.0, 0.9, 0.02, 0.32, 0.04)
    chosen = agreed_background(torch.stack([one, other]))
    assert chosen == 0.35


def test_nearly_everything_or_nothing_being_background_is_no_agreement():
    flat = torch.full((2, 1, 4, 4), 0.27)
    flat[:, 0, 0, 0] = 1.0
    # Below 0.27 all is object, in both; above it one pixel is, in both.
    assert agreed_background(flat) == 0.3


def test_classes_compete():
    ramp = torch.linspace(0, 1, 10).view(1, 10)
    passes = torch.stack([torch.stack([ramp, 1 - ramp])] * 2)
    assert agreed_background(passes) == CANDIDATES[0]  # equal passes: the lowest


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**16), st.integers(2, 4), st.integers(1, 3))
def test_it_is_a_candidate_and_the_order_of_passes_does_not_matter(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    passes = torch.rand(count, classes, 6, 7, generator=generator)
    chosen = agreed_background(passes)
    assert chosen in CANDIDATES
    assert agreed_background(passes.flip(0)) == pytest.approx(chosen)
    assert agreed_background(passes.flip(-1)) == pytest.approx(chosen)
