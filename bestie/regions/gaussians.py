"""Gaussians that mark a point on a pixel grid, cut off where they are nearly 0."""

import torch
from torch import Tensor

__all__ = ["gaussian_profile", "gaussian_reach"]


def gaussian_reach(sigma: float) -> int:
    """Pixels from the point to the last row or column that is drawn: 3 sigma + 1, truncated.

    Args:
        sigma: standard deviation, pixels.
    """
    return int(3 * sigma + 1)


def gaussian_profile(distance: Tensor, sigma: float) -> Tensor:
    """exp(-d^2 / (2 sigma^2)) for |d| <= 3 sigma + 1, else 0.

    A Gaussian in two dimensions is the product of this profile of dy and that of dx, so the cut is
    a square around the point.

    Args:
        distance: any shape, integers or float, pixels.
        sigma: standard deviation, pixels.

    Returns:
        float32 of the same shape, in [0, 1].
    """
    value = torch.exp(distance.float().square() / (-2 * sigma**2))
    return value * (distance.abs() <= gaussian_reach(sigma))
