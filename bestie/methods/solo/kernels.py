"""Kernels to masks: the 1 x 1 dynamic convolution, mask confidence, and the best level of a point.

Shapes: D channels of kernels and mask features, K kernels, P points, L levels; h, w size of the
mask features, a quarter of the padded image. Maps are made in chunks, so that memory does not grow
with the number of kernels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "FEATURE_STRIDE",
    "LevelChoice",
    "MaskMeasures",
    "chunk_length",
    "mask_probabilities",
    "measure_masks",
    "select_levels",
]

# Pixels of the padded image per pixel of the mask features.
FEATURE_STRIDE = 4

# Floats of one chunk: 8 MiB, which stay in or near the cache of a CPU.
CHUNK_VALUES = 2**21


class MaskMeasures(NamedTuple):
    """Area (K,) int64, feature pixels, and maskness (K,) float32: mean probability over the mask.

    The maskness of an empty mask is 0.
    """

    areas: Tensor
    maskness: Tensor


class LevelChoice(NamedTuple):
    """The level that each point reads.

    Attributes:
        levels (Tensor): (P,) int64 in [0, L), the one with the highest score.
        scores (Tensor): (P, L) float32, maskness x class probability of each level.
        found (Tensor): (P,) bool, False where every level's mask is empty.
    """

    levels: Tensor
    scores: Tensor
    found: Tensor


def mask_probabilities(kernels: Tensor, features: Tensor) -> Tensor:
    """(K, h, w) float32 sigmoid of the features (D, h, w) convolved with each kernel (K, D)."""
    return (kernels @ features.flatten(1)).sigmoid_().view(len(kernels), *features.shape[1:])


def measure_masks(kernels: Tensor, features: Tensor, threshold: float = 0.5) -> MaskMeasures:
    """Area and maskness of the mask of each kernel, without keeping the masks.

    Args:
        kernels: (K, D) float32.
        features: (D, h, w) float32.
        threshold: a pixel belongs to the mask above this probability.
    """
    areas, maskness = [kernels.new_zeros(0, dtype=torch.int64)], [kernels.new_zeros(0)]
    for part in kernels.split(chunk_length(features)):
        inside = mask_probabilities(part, features).flatten(1)
        inside = torch.threshold_(inside, threshold, 0.0)  # 0 outside the mask
        total = inside.sum(1)
        # Sums of floats are several times faster than counts of bool, and exact below 2^24 pixels.
        areas.append(inside.ceil_().sum(1).long())
        maskness.append(total / areas[-1].clamp(min=1))
    return MaskMeasures(torch.cat(areas), torch.cat(maskness))


def select_levels(maskness: Tensor, class_probability: Tensor) -> LevelChoice:
    """The level whose cell under a point gives the best mask (PointWSSIS, section 3).

    Args:
        maskness: (P, L) float32, of the mask of the cell under each point on each level.
        class_probability: (P, L) float32 of the point's class in these cells.

    Returns:
        The choices; on equal scores the finer level wins.
    """
    scores = maskness * class_probability
    best = scores.max(dim=1, keepdim=True).values
    number = torch.arange(scores.shape[1], device=scores.device)
    # argmax does not promise the first of equal ones.
    chosen = torch.where(scores == best, number, len(number)).min(dim=1).values
    return LevelChoice(chosen, scores, best.squeeze(1) > 0)


def chunk_length(features: Tensor) -> int:
    """Kernels whose maps of the size of the features (D, h, w) make one chunk, 1 or more."""
    return max(1, CHUNK_VALUES // max(1, features[0].numel()))
