"""Kernels to masks: the 1 x 1 dynamic convolution, mask confidence, and the best level of a point.

Shapes: D channels of kernels and mask features, K kernels, P points, L levels; h, w size of the
mask features, a quarter of the padded image. Maps are made in chunks, so that memory does not grow
with the number of kernels.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LevelChoice", "MaskMeasures", "mask_probabilities", "measure_masks", "resize_masks"]
__all__ += ["select_levels"]

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
        maskness (Tensor): (P, L) float32, mean probability over the mask.
        found (Tensor): (P,) bool, False where every level's mask is empty.
    """

    levels: Tensor
    scores: Tensor
    maskness: Tensor
    found: Tensor


def mask_probabilities(kernels: Tensor, features: Tensor) -> Tensor:
    """(K, h, w) float32 sigmoid of the features (D, h, w) convolved with each kernel (K, D)."""
    return (kernels @ features.flatten(1)).sigmoid().view(len(kernels), *features.shape[1:])


def measure_masks(kernels: Tensor, features: Tensor, threshold: float = 0.5) -> MaskMeasures:
    """Area and maskness of the mask of each kernel, without keeping the masks.

    Args:
        kernels: (K, D) float32.
        features: (D, h, w) float32.
        threshold: a pixel belongs to the mask above this probability.
    """
    areas, maskness = [kernels.new_zeros(0, dtype=torch.int64)], [kernels.new_zeros(0)]
    for part in kernels.split(_chunk(features)):
        probability = mask_probabilities(part, features).flatten(1)
        mask = probability > threshold
        areas.append(mask.sum(1))
        maskness.append((probability * mask).sum(1) / areas[-1].clamp(min=1))
    return MaskMeasures(torch.cat(areas), torch.cat(maskness))


def select_levels(
    kernels: Tensor, class_probability: Tensor, features: Tensor, threshold: float = 0.5
) -> LevelChoice:
    """The level whose cell under a point gives the best mask (PointWSSIS, section 3).

    Args:
        kernels: (P, L, D) float32, of the cell under each point on each level.
        class_probability: (P, L) float32 of the point's class in these cells.
        features: (D, h, w) float32.
        threshold: a pixel belongs to a mask above this probability.

    Returns:
        The choices; on equal scores the finer level wins.
    """
    points, levels = class_probability.shape
    maskness = measure_masks(kernels.flatten(0, 1), features, threshold).maskness
    maskness = maskness.view(points, levels)
    scores = maskness * class_probability
    best = scores.max(dim=1, keepdim=True).values
    number = torch.arange(levels, device=scores.device)
    # argmax does not promise the first of equal ones.
    chosen = torch.where(scores == best, number, levels).min(dim=1).values
    return LevelChoice(chosen, scores, maskness, best.squeeze(1) > 0)


def resize_masks(
    kernels: Tensor,
    features: Tensor,
    image_size: tuple[int, int],
    output_size: tuple[int, int],
    threshold: float = 0.5,
    stride: int = 4,
) -> Tensor:
    """Masks at the size of the output.

    Probabilities are brought to the padded image, cut to the image and resized, bilinearly.

    Args:
        kernels: (K, D) float32.
        features: (D, h, w) float32.
        image_size: height and width of the image within the padded one.
        output_size: height and width of the masks.
        threshold: a pixel belongs to a mask above this probability.
        stride: pixels of the padded image per feature pixel.

    Returns:
        (K, *output_size) bool.
    """
    height, width = features.shape[1] * stride, features.shape[2] * stride
    masks = features.new_empty(len(kernels), *output_size, dtype=torch.bool)
    step = max(1, CHUNK_VALUES // max(height * width, output_size[0] * output_size[1]))
    for begin in range(0, len(kernels), step):
        part = slice(begin, begin + step)
        maps = mask_probabilities(kernels[part], features).unsqueeze(0)
        maps = F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
        maps = maps[..., : image_size[0], : image_size[1]]
        if maps.shape[-2:] != tuple(output_size):  # resizing to the same size changes nothing
            maps = F.interpolate(maps, output_size, mode="bilinear", align_corners=False)
        torch.gt(maps[0], threshold, out=masks[part])
    return masks


def _chunk(features: Tensor) -> int:
    return max(1, CHUNK_VALUES // max(1, features[0].numel()))
