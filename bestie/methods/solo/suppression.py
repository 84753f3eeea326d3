"""Suppression of duplicates: of neighboring cells, and of masks that overlap.

Matrix NMS lowers the scores of all masks at once (SOLOv2, section 3.3); greedy mask NMS removes
masks. Both compare masks of one group only (usually a class) and need no loop over masks.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from bestie.regions.overlap import pairwise_iou

__all__ = ["KERNELS", "greedy_nms", "matrix_nms", "overlaps", "point_nms"]

KERNELS = ("gaussian", "linear")


def point_nms(probability: Tensor) -> Tensor:
    """Keep the cells that are the maximum of a 2 x 2 window.

    Args:
        probability: (B, C, S, S) float of one level.

    Returns:
        (B, C, S, S) float: 0 where the upper, left or upper-left neighbor is larger.
    """
    highest = F.max_pool2d(probability, 2, stride=1, padding=1)[..., :-1, :-1]
    return probability * (highest == probability)


def overlaps(masks: Tensor, groups: Tensor) -> Tensor:
    """IoU of each mask with the later ones of its group.

    Args:
        masks: (N, H, W) bool, best first.
        groups: (N,) int64; masks of different groups do not meet.

    Returns:
        (N, N) float32, row i and column j for i < j; 0 elsewhere, and for two empty masks.
    """
    return (pairwise_iou(masks) * (groups[:, None] == groups[None, :])).triu(diagonal=1)


def matrix_nms(iou: Tensor, scores: Tensor, kernel: str = "gaussian", sigma: float = 2.0) -> Tensor:
    """Lowered scores: the more a better mask overlaps one, the less of its score is left.

    Each better mask lowers the score by its overlap, but less so if it overlaps a better one itself
    and so may be a duplicate.

    Args:
        iou: (N, N) float32 of :func:`overlaps`.
        scores: (N,) float32, falling.
        kernel: "gaussian" or "linear", how the overlap becomes a factor.
        sigma: of the Gaussian kernel.

    Raises:
        ValueError: another kernel.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}.")
    if not len(scores):
        return scores
    highest = iou.max(dim=0).values.unsqueeze(1)  # (N, 1) of the mask that lowers
    if kernel == "gaussian":
        factor = torch.exp(-sigma * iou.square()) / torch.exp(-sigma * highest.square())
    else:
        # A mask that equals a better one is a duplicate itself: it lowers equal masks to 0 as that
        # one does (0 / 0 otherwise), and does not lower others.
        factor = torch.where(
            highest < 1, (1 - iou) / (1 - highest).clamp(min=1e-12), (iou < 1).to(iou.dtype)
        )
    return scores * factor.min(dim=0).values


def greedy_nms(iou: Tensor, threshold: float = 0.5) -> Tensor:
    """Remove each mask that overlaps a better one that stays.

    Args:
        iou: (N, N) float32 of :func:`overlaps`.
        threshold: masks go if their IoU is above this.

    Returns:
        (N,) bool, the masks that stay.
    """
    beats = (iou > threshold).float()
    keep = torch.ones(len(iou), dtype=torch.bool, device=iou.device)
    # The right answer is the only one that this step does not change. After k steps it holds for
    # the first k masks, usually for all of them after two or three.
    while True:
        updated = (keep.float() @ beats) == 0
        if torch.equal(updated, keep):
            return keep
        keep = updated
