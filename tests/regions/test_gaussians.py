import math

import pytest
import torch

from bestie.regions.gaussians import gaussian_profile, gaussian_reach


def test_profile_by_hand_cut_to_three_sigma_plus_one():
    profile = gaussian_profile(torch.arange(-5, 6), 1.0)
    assert profile.dtype == torch.float32 and profile[5] == 1
    assert profile[7] == pytest.approx(math.exp(-2))
    assert profile[9] > 0 and profile[10] == 0 and torch.equal(profile, profile.flip(0))


@pytest.mark.parametrize(("sigma", "reach"), [(6.0, 19), (1.0, 4), (0.5, 2), (2.9, 9)])
def test_reach_is_truncated(sigma, reach):
    assert gaussian_reach(sigma) == reach
    profile = gaussian_profile(torch.tensor([reach, reach + 1]), sigma)
    assert profile[0] > 0 and profile[1] == 0
