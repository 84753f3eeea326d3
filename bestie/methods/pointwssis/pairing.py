"""Rough masks to true instances: what the refiner trains on.

Shapes: M rough masks with a point each, N true instances. Points and centers are (y, x) in pixels
of one coordinate system.
"""

import torch
from torch import Tensor

__all__ = ["nearest_instances"]


def nearest_instances(
    points: Tensor,
    classes: Tensor,
    images: Tensor,
    true_centers: Tensor,
    true_classes: Tensor,
    true_images: Tensor,
    max_distance: float = float("inf"),
) -> Tensor:
    """The true instance of the same image and class whose center is nearest to each point.

    Several rough masks may share an instance.

    Args:
        points: (M, 2) float.
        classes: (M,) int64.
        images: (M,) int64.
        true_centers: (N, 2) float.
        true_classes: (N,) int64.
        true_images: (N,) int64.
        max_distance: instances farther away than this do not count, pixels.

    Returns:
        (M,) int64 in [0, N), or -1 where no instance counts.
    """
    if not len(true_centers):
        return torch.full_like(classes, -1)
    # Not the matrix product form of cdist: it loses digits on large coordinates.
    difference = points.double()[:, None] - true_centers.double()[None]
    distance = difference.square().sum(dim=2).sqrt()
    comparable = (classes[:, None] == true_classes) & (images[:, None] == true_images)
    distance = distance.masked_fill(~comparable, float("inf"))
    best = distance.min(dim=1)
    return torch.where(best.values.isfinite() & (best.values <= max_distance), best.indices, -1)
