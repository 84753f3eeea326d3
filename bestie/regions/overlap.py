"""Overlap of masks."""

from torch import Tensor

__all__ = ["pairwise_iou"]


def pairwise_iou(masks: Tensor) -> Tensor:
    """Intersection over union of all pairs of masks.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, N) float32 in [0, 1]; 0 for two empty masks.
    """
    flat = masks.flatten(1).float()
    intersection = flat @ flat.T
    area = flat.sum(1)
    union = area[:, None] + area[None, :] - intersection
    return intersection / union.clamp(min=1)
