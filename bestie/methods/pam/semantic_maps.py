"""Weak semantic maps from activation maps: background score, boundary refinement, ignored pixels.

Step 3 of the pipeline: from the activation maps of the tagged classes and the image to a map of 0
background, class + 1, 255 ignore.

Memory in addition to scores and image is bounded for images of any size, because the work is done
in strips of rows.

The refinement is the pixel-adaptive mask refinement of Araslanov & Roth, "Single-stage semantic
segmentation from image labels" (CVPR 2020, section 3.3).

Shapes: K tagged classes, (H, W) the image.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bestie.regions import IGNORE

__all__ = ["class_scores", "dense_crf", "label_pixels", "refine_scores"]

# (dy, dx) of the 8-neighbourhood.
NEIGHBOURS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
# A difference in intensity of this share of the local standard deviation lowers the affinity by a
# factor e.
STD_FACTOR = 0.1
# Weights of neighbours that are kept at once, of a strip of rows: 384 MiB, 2 megapixels of 48.
STRIP_WEIGHTS = 96 * 2**20
# Pixels whose weights are worked on at once, on a CPU: what its cache holds.
BLOCK_PIXELS = 2**14
# Scores that are scaled to the size of the map at once.
STRIP_SCORES = 2**22
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
    return scores.div_(scores.sum(dim=0, keepdim=True))


def refine_scores(
    scores: Tensor, image: Tensor, dilations: Sequence[int], iterations: int
) -> Tensor:
    """Pixel-adaptive refinement: repeatedly average the scores of pixels that look alike.

    Each pixel takes the mean of its 8-neighbours at each dilation, weighted by their affinity: the
    softmax over all these neighbours of -|difference in intensity| / local standard deviation. So
    scores stay in the range of the input, and where they sum to 1 they still do so afterwards.
    Beyond its border, the image is continued with the values of the border.

    Args:
        scores: (K+1, H, W) float.
        image: (3, H, W), any range.
        dilations: distances of the neighbours, pixels.
        iterations: 0 gives the scores back.

    Returns:
        (K+1, H, W) float.
    """
    height, width = scores.shape[-2:]
    reach = max(dilations)
    count = len(NEIGHBOURS) * len(dilations)
    rows = min(height, max(STRIP_WEIGHTS // (count * width), 4 * reach))
    # A strip needs the rows around it that its scores depend on. Where they would be more than half
    # of it, fewer iterations are made at once.
    steps = iterations if rows == height else rows // (4 * reach)
    while iterations > 0:
        scores = _refine_in_strips(scores, image, dilations, min(steps, iterations), rows)
        iterations -= steps
    return scores


def label_pixels(
    scores: Tensor,
    classes: Tensor,
    ignore_margin: float = 0.0,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Give each pixel the class of its highest score.

    Args:
        scores: (K+1, H, W) float, the background first.
        classes: (K,) int, class of each of the other channels, 0..C-1.
        ignore_margin: a pixel whose highest score exceeds the second by less is ignored.
        size: height and width of the map, to which the scores are resized bilinearly; None: theirs.

    Returns:
        (H, W), or ``size``, uint8: 0 background, class + 1, 255 ignore.
    """
    height, width = size or scores.shape[-2:]
    values = torch.cat([classes.new_zeros(1), classes + 1]).to(torch.uint8)
    semantic_map = values.new_empty(height, width)
    step = max(1, STRIP_SCORES // (len(scores) * width))
    for top in range(0, height, step):
        bottom = min(top + step, height)
        strip = _resize_rows(scores, (height, width), top, bottom)
        best, index = strip.max(dim=0)
        semantic_map[top:bottom] = values[index]
        if len(scores) > 1 and ignore_margin > 0:
            second = strip.scatter(0, index.unsqueeze(0), -torch.inf).amax(dim=0)
            semantic_map[top:bottom][best - second < ignore_margin] = IGNORE
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


def _refine_in_strips(
    scores: Tensor, image: Tensor, dilations: Sequence[int], iterations: int, rows: int
) -> Tensor:
    """Some iterations of the refinement, with the weights of at most ``rows`` rows at once."""
    # One iteration moves information by at most max(dilations) pixels. A strip with a margin (halo)
    # of iterations x max(dilations) rows therefore gets the same values in its middle as the whole
    # image would; the margins are computed twice and cut off.
    height = scores.shape[1]
    halo = 0 if rows == height else iterations * max(dilations)
    refined = torch.empty_like(scores)
    for top in range(0, height, rows - 2 * halo):
        bottom = min(top + rows - 2 * halo, height)
        first, last = max(top - halo, 0), min(bottom + halo, height)
        strip = _refine_strip(
            scores[:, first:last], image[:, first:last].to(scores), dilations, iterations
        )
        refined[:, top:bottom] = strip[:, top - first : bottom - first]
    return refined


def _refine_strip(
    scores: Tensor, image: Tensor, dilations: Sequence[int], iterations: int
) -> Tensor:
    weights = _affinities(image, dilations)
    for _ in range(iterations):
        scores = _average_neighbours(scores, weights, dilations)
    return scores


def _affinities(image: Tensor, dilations: Sequence[int]) -> Tensor:
    """(8 x dilations, H, W) weights of a pixel's neighbours; they sum to 1."""
    channels = len(image)
    count = len(NEIGHBOURS) * len(dilations)
    weights = image.new_empty(count, *image.shape[1:])
    for rows, neighbours in _blocks(image, dilations):
        center = image[:, rows]
        total, squares = center.clone(), center.square()
        for neighbour in neighbours:
            total += neighbour
            squares.addcmul_(neighbour, neighbour)
        total /= count + 1
        # Var = mean of squares - square of the mean; rounding may make it slightly negative.
        variance = (squares / (count + 1)).addcmul_(total, total, value=-1).clamp_(min=0)
        factor = -1 / (channels * (STD_FACTOR * variance.sqrt() + 1e-8))
        block = weights[:, rows]
        for weight, neighbour in zip(block, neighbours, strict=True):
            torch.sum((center - neighbour).abs_().mul_(factor), dim=0, out=weight)
        # Softmax in place; the largest exponent becomes 0, so that exp cannot overflow.
        block.sub_(block.amax(dim=0)).exp_()
        block.div_(block.sum(dim=0))
    return weights


def _average_neighbours(scores: Tensor, weights: Tensor, dilations: Sequence[int]) -> Tensor:
    """One iteration: the weighted mean of each pixel's neighbours, (K+1, H, W)."""
    average = torch.zeros_like(scores)
    for rows, neighbours in _blocks(scores, dilations):
        block = average[:, rows]
        for weight, neighbour in zip(weights[:, rows], neighbours, strict=True):
            block.addcmul_(weight, neighbour)
    return average


def _blocks(values: Tensor, dilations: Sequence[int]) -> Iterator[tuple[slice, list[Tensor]]]:
    """Blocks of rows, and for each dilation and direction the neighbours of their pixels.

    Args:
        values: (K, H, W), repeated beyond its border.
        dilations: D distances, pixels.

    Yields:
        rows of the block, and 8 x D views (K, rows, W).
    """
    height, width = values.shape[-2:]
    reach = max(dilations)
    padded = F.pad(values.unsqueeze(0), (reach,) * 4, mode="replicate")[0]
    # A GPU takes all rows at once. On a CPU, values are read 8 x D times, so a block must be small
    # enough to stay in the cache.
    step = max(1, BLOCK_PIXELS // width) if values.device.type == "cpu" else height
    shifts = [(dilation * y, dilation * x) for dilation in dilations for y, x in NEIGHBOURS]
    for first in range(0, height, step):
        last = min(first + step, height)
        yield (
            slice(first, last),
            [
                padded[:, reach + first + y : reach + last + y, reach + x : reach + x + width]
                for y, x in shifts
            ],
        )


def _resize_rows(scores: Tensor, size: tuple[int, int], top: int, bottom: int) -> Tensor:
    """Rows ``top`` to ``bottom`` of scores (K, H, W) resized bilinearly to ``size``."""
    height, width = size
    if scores.shape[-2:] == (height, width):
        return scores[:, top:bottom]
    rows = torch.arange(top, bottom, device=scores.device, dtype=torch.float64) + 0.5
    y = (rows * (scores.shape[1] / height) - 0.5).clamp(0, scores.shape[1] - 1)
    above = y.long()
    below = (above + 1).clamp(max=scores.shape[1] - 1)
    share = (y - above).to(scores).view(1, -1, 1)
    strip = torch.lerp(scores[:, above], scores[:, below], share)
    shape = (bottom - top, width)
    return F.interpolate(strip.unsqueeze(0), shape, mode="bilinear", align_corners=False)[0]
