"""Random walk over pixels whose features are alike."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bestie.methods.pam.affinity import RandomWalk


def _halves(height: int, width: int) -> torch.Tensor:
    """(2, height, width): one feature on the left half, the other on the right half."""
    features = torch.zeros(2, height, width)
    features[0, :, : width // 2] = 1.0
    features[1, :, width // 2 :] = 2.0
    return features


def test_a_map_fills_the_pixels_that_are_like_its_peak_and_no_others():
    maps = torch.zeros(1, 4, 6)
    maps[0, 1, 1] = 1.0
    spread = RandomWalk(_halves(4, 6), power=6, steps=1)(maps)
    assert torch.allclose(spread[0, :, :3], torch.ones(4, 3), atol=1e-3)
    assert spread[0, :, 3:].abs().max() == 0


def test_a_step_by_hand():
    # Three pixels in a row: the cosine of the first two is 0.6, the third is unlike both.
    features = torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 1.0]]).view(3, 1, 3)
    maps = torch.tensor([1.0, 0.0, 0.5]).view(1, 1, 3)
    similarity = 0.6**2
    expected = torch.tensor([1 / (1 + similarity), similarity / (1 + similarity), 0.5])
    spread = RandomWalk(features, power=2, steps=1)(maps)
    assert torch.allclose(spread.view(-1), expected / expected.max(), atol=1e-4)
    twice = torch.tensor(
        [
            (expected[0] + similarity * expected[1]) / (1 + similarity),
            (similarity * expected[0] + expected[1]) / (1 + similarity),
            0.5,
        ]
    )
    spread = RandomWalk(features, power=2, steps=2)(maps)
    assert torch.allclose(spread.view(-1), twice / twice.max(), atol=1e-4)


def test_a_higher_power_keeps_to_more_similar_pixels():
    features = torch.tensor([[1.0, 0.8], [0.0, 0.6]]).view(2, 1, 2)
    maps = torch.tensor([1.0, 0.0]).view(1, 1, 2)
    values = [RandomWalk(features, power, 1)(maps)[0, 0, 1] for power in (1, 4, 16)]
    assert values[0] > values[1] > values[2] > 0


def test_maps_of_zeros_and_pixels_without_features_stay_finite():
    features = _halves(4, 4)
    features[:, 0, 0] = 0
    maps = torch.zeros(2, 8, 8)
    maps[1] = torch.rand(8, 8)
    spread = RandomWalk(features, 6, 2)(maps)
    assert torch.isfinite(spread).all()
    assert spread[0].abs().max() == 0


def test_no_tag_gives_no_map():
    assert RandomWalk(_halves(4, 4), 6, 2)(torch.zeros(0, 9, 7)).shape == (0, 9, 7)


def test_large_feature_maps_are_averaged():
    walk = RandomWalk(torch.rand(3, 200, 100), 6, 1)
    assert walk._transition.shape[0] <= 4096
    assert walk(torch.rand(2, 400, 200)).shape == (2, 400, 200)


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**20), st.booleans()
)
def test_values_stay_in_range(height, width, steps, seed, resized):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(4, height, width, generator=generator)
    size = (2 * height, 3 * width) if resized else (height, width)
    maps = torch.rand(2, *size, generator=generator)
    spread = RandomWalk(features, 6.0, steps)(maps)
    assert spread.shape == maps.shape
    assert 0 <= spread.min() and spread.max() <= 1
    assert spread.amax(dim=(1, 2)) == pytest.approx([1, 1], abs=1e-2)


def test_equal_features_give_a_flat_map():
    spread = RandomWalk(torch.ones(3, 5, 5), 6, 1)(torch.rand(1, 5, 5))
    assert torch.allclose(spread, torch.ones_like(spread), atol=1e-4)
