"""Weak semantic maps from activation maps: background score, boundary refinement, ignored pixels.

Step 3 of the pipeline. Comes in: activation maps of the tagged classes, and the image. Goes out: a
map of 0 background, class + 1, 255 ignore. Called by ``bestie.engine.maps``.

The refinement is the pixel-adaptive mask refinement of Araslanov & Roth, "Single-stage semantic
segmentation from image labels" (CVPR 2020, section 3.3).

Shapes: K tagged classes, (H, W) the image.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["class_scores", "dense_crf", "label_pixels", "refine_scores"]

IGNORE = 255
# (dy, dx) of the 8-neighbourhood.
NEIGHBOURS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
# A difference in intensity of this share of the local standard deviation lowers the affinity by a
# factor e.
STD_FACTOR = 0.1
# The dense CRF's usual parameters for maps of classifiers (Krahenbuhl & Koltun, 2011): compat and
# standard deviations of the smoothness kernel (pixels), and of the appearance kernel (pixels,
# intensity).
CRF_ITERATIONS = 10
CRF_SMOOTHNESS = {"sxy": 3, "compat": 3}
CRF_APPEARANCE = {"sxy": 80, "srgb": 13, "compat": 10}


def class_scores(activation_maps: Tensor, background_score: float) -> Tensor:
    """Scores of background and classes, summing to 1 in each pixel.

    Args:
        activation_maps: (K, H, W) float in [0, 1], of the tagged classes.
        background_score: score of the background before they are made to sum to 1; in (0, 1]. A
            class needs more to win a pixel.

    Returns:
        (K+1, H, W) float in [0, 1], the background first.
    """
    background = torch.full_like(activation_maps[:1], background_score)
    if not len(activation_maps):
        background = activation_maps.new_full((1, *activation_maps.shape[1:]), background_score)
    scores = torch.cat([background, activation_maps])
    return scores / scores.sum(dim=0, keepdim=True)


def refine_scores(
    scores: Tensor, image: Tensor, dilations: Sequence[int], iterations: int
) -> Tensor:
    """Pixel-adaptive refinement: repeatedly average the scores of pixels that look alike.

    Each pixel takes the mean of its 8-neighbours at each dilation, weighted by their affinity: the
    softmax over all these neighbours of -|difference in intensity| / local standard deviation. So
    scores stay in the range of the input, and where they sum to 1 they go on doing so. The image
    goes on beyond its border with the values of the border.

    Args:
        scores: (K+1, H, W) float.
        image: (3, H, W), any range.
        dilations: distances of the neighbours, pixels.
        iterations: 0 gives the scores back.

    Returns:
        (K+1, H, W) float.
    """
    if not iterations:
        return scores
    affinity = _affinities(image.to(scores), dilations)
    for _ in range(iterations):
        refined = torch.zeros_like(scores)
        for weight, neighbour in zip(affinity, _neighbours(scores, dilations), strict=True):
            refined.addcmul_(weight.unsqueeze(0), neighbour)
        scores = refined
    return scores


def label_pixels(scores: Tensor, classes: Tensor, ignore_margin: float = 0.0) -> Tensor:
    """Give each pixel the class of its highest score.

    Args:
        scores: (K+1, H, W) float, the background first.
        classes: (K,) int, class of each of the other channels, 0..C-1.
        ignore_margin: a pixel whose highest score exceeds the second by less is ignored.

    Returns:
        (H, W) uint8: 0 background, class + 1, 255 ignore.
    """
    values = torch.cat([classes.new_zeros(1), classes + 1]).to(torch.uint8)
    semantic_map = values[scores.argmax(dim=0)]
    if len(scores) > 1 and ignore_margin > 0:
        best = scores.topk(2, dim=0).values
        semantic_map[best[0] - best[1] < ignore_margin] = IGNORE
    return semantic_map


def dense_crf(scores: Tensor, image: Tensor) -> Tensor:
    """Refine scores by a fully connected CRF (Krahenbuhl & Koltun, 2011), on the CPU.

    Args:
        scores: (K+1, H, W) float, summing to 1 in each pixel.
        image: (3, H, W) uint8, any order of the channels.

    Returns:
        (K+1, H, W) float32 on the device of ``scores``.

    Raises:
        ValueError: the package ``pydensecrf2`` is not installed.
    """
    try:
        from pydensecrf import densecrf, utils
    except ImportError as error:
        raise ValueError(
            "MODEL.PAM.MAPS.CRF needs the package pydensecrf2: pip install 'bestie[crf]' (or "
            "pydensecrf2); set the key to False to do without."
        ) from error
    num_labels, height, width = scores.shape
    if num_labels == 1:
        return scores
    field = densecrf.DenseCRF2D(width, height, num_labels)
    field.setUnaryEnergy(utils.unary_from_softmax(scores.float().cpu().numpy()))
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    field.addPairwiseGaussian(**CRF_SMOOTHNESS)
    field.addPairwiseBilateral(rgbim=pixels, **CRF_APPEARANCE)
    refined = np.array(field.inference(CRF_ITERATIONS), np.float32)
    return torch.from_numpy(refined.reshape(scores.shape)).to(scores.device)


def _affinities(image: Tensor, dilations: Sequence[int]) -> Tensor:
    """(8 x dilations, H, W) weights of a pixel's neighbours; they sum to 1."""
    count = 8 * len(dilations) + 1
    total, squares = image.clone(), image.square()
    for neighbour in _neighbours(image, dilations):
        total += neighbour
        squares += neighbour.square()
    variance = (squares / count - (total / count).square()).clamp(min=0)
    scale = STD_FACTOR * variance.sqrt() + 1e-8
    similarity = [
        -((image - neighbour).abs() / scale).mean(dim=0)
        for neighbour in _neighbours(image, dilations)
    ]
    return torch.stack(similarity).softmax(dim=0)


def _neighbours(values: Tensor, dilations: Sequence[int]):
    """For each dilation and direction, (K, H, W): the value of that neighbour of each pixel."""
    height, width = values.shape[-2:]
    for dilation in dilations:
        padded = F.pad(values.unsqueeze(0), (dilation,) * 4, mode="replicate")[0]
        for y, x in NEIGHBOURS:
            top, left = dilation * (1 + y), dilation * (1 + x)
            yield padded[:, top : top + height, left : left + width]
