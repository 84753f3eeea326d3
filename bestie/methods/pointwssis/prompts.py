"""Prompted inference: clicks, or known objects, to candidates of SOLO (PointWSSIS, section 3).

Every click reads the kernel of the cell under it on every level and takes the level whose mask and
class score are best. So no clicked object can be missed and none invented. Known objects take their
positive cells: the rough masks that the refiner trains on.

Divergence from the official code: each point is looked up by itself, at its exact coordinates.
There, points that share a cell overwrite each other, and coordinates are cut to four digits.

Shapes: P points, L levels, K candidates, N instances, C classes. Coordinates are (y, x).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bestie.methods.solo.grids import Positives, cell_numbers, cells_of_points
from bestie.methods.solo.inference import Candidates, HeadOutputs
from bestie.methods.solo.kernels import select_levels

__all__ = [
    "NMS_BETWEEN",
    "PointCandidates",
    "candidates_of_cells",
    "candidates_of_points",
    "filter_by_points",
    "levels_of_sizes",
    "suppression_groups",
]

NMS_BETWEEN = ("cell", "class")


class PointCandidates(NamedTuple):
    """Candidates of points, and what is known about them.

    Attributes:
        candidates (Candidates): of the K points that found a mask; their value is 1.
        points (Tensor): (K,) int64 in [0, P), the point of each candidate.
        levels (Tensor): (K,) int64 in [0, L).
        class_scores (Tensor): (K,) float32, probability of the point's class in the chosen cell.
        level_scores (Tensor): (P, L) float32, maskness x class probability of every level.
    """

    candidates: Candidates
    points: Tensor
    levels: Tensor
    class_scores: Tensor
    level_scores: Tensor


def candidates_of_points(
    points: Tensor,
    classes: Tensor,
    outputs: HeadOutputs,
    padded_size: tuple[int, int],
    mask_thresh: float = 0.5,
    levels: Tensor | None = None,
) -> PointCandidates:
    """The cell of the best level under each point.

    Args:
        points: (P, 2) float, pixels of the network's input.
        classes: (P,) int64 in [0, C).
        outputs: of the heads for this image.
        padded_size: height and width of the network's input.
        mask_thresh: a pixel belongs to a mask above this probability.
        levels: (P,) int64 in [0, L), levels to use instead of the best ones (an ablation).
    """
    grids = outputs.grids
    under = cells_of_points(points, padded_size, grids)  # (P, L, 2)
    level = torch.arange(len(grids), device=points.device).expand(len(points), -1)
    cells = cell_numbers(level, under[..., 0], under[..., 1], grids)  # (P, L)
    probability = outputs.class_probability()[cells, classes.unsqueeze(1)]
    choice = select_levels(outputs.kernels[cells], probability, outputs.features, mask_thresh)
    if levels is None:
        levels, found = choice.levels, choice.found
    else:
        found = choice.maskness.gather(1, levels.unsqueeze(1)).squeeze(1) > 0
    index = found.nonzero().squeeze(1)
    chosen = levels[index]
    candidates = Candidates(
        cells[index, chosen], classes[index], torch.ones_like(probability[index, chosen])
    )
    return PointCandidates(candidates, index, chosen, probability[index, chosen], choice.scores)


def candidates_of_cells(positives: Positives, classes: Tensor) -> tuple[Candidates, Tensor]:
    """All positive cells of known objects.

    Where objects of one class share a cell, that is one candidate, of the last one.

    Args:
        positives: of the objects of one image.
        classes: (N,) int64 in [0, C) of the objects.

    Returns:
        Candidates of value 1, and (K,) int64 the object of each.
    """
    of_pair = classes[positives.instances]
    number = int(classes.max()) + 1 if len(classes) else 1
    keys, place = torch.unique(positives.cells * number + of_pair, return_inverse=True)
    objects = torch.full_like(keys, -1).scatter_reduce_(0, place, positives.instances, "amax")
    ones = torch.ones(len(keys), device=keys.device)
    return Candidates(keys // number, keys % number, ones), objects


def suppression_groups(candidates: Candidates, between: str = "cell") -> Tensor:
    """Groups of masks that may suppress each other.

    Args:
        candidates: of one image.
        between: "cell": labels of one class in one cell only, whose masks are the same (two clicked
            objects always keep both labels otherwise); "class": all labels of a class, as the
            official code does.

    Returns:
        (K,) int64.

    Raises:
        ValueError: another name.
    """
    if between not in NMS_BETWEEN:
        raise ValueError(
            f"MODEL.POINTWSSIS.NMS_BETWEEN must be one of {', '.join(NMS_BETWEEN)}, got {between}."
        )
    if between == "class" or not len(candidates.cells):
        return candidates.classes
    return candidates.cells * (int(candidates.classes.max()) + 1) + candidates.classes


def levels_of_sizes(sizes: Tensor, ranges: Sequence[tuple[float, float]]) -> Tensor:
    """The finest level whose range holds the object's size: what an oracle would choose.

    Args:
        sizes: (P, 2) float, height and width of the boxes, pixels.
        ranges: lower and upper bound of each level, pixels.

    Returns:
        (P,) int64; objects outside all ranges get the level of the nearest bound, the first or the
        last one.
    """
    bounds = torch.tensor(ranges, device=sizes.device, dtype=torch.float64)
    length = sizes.double().prod(dim=1, keepdim=True).sqrt()
    return (length >= bounds[:, 1]).sum(dim=1).clamp(max=len(ranges) - 1)


def filter_by_points(
    masks: Tensor, mask_classes: Tensor, scores: Tensor, points: Tensor, classes: Tensor
) -> Tensor:
    """The best detection of the point's class that contains it: guidance without kernels.

    An ablation that works with any model: an object without a detection stays without a label.

    Args:
        masks: (N, H, W) bool.
        mask_classes: (N,) int64.
        scores: (N,) float32, all above 0.
        points: (P, 2) float, pixel indices inside the masks' image.
        classes: (P,) int64.

    Returns:
        (P,) int64 in [0, N), or -1.
    """
    if not len(masks):
        return torch.full_like(classes, -1)
    pixel = points.floor().long()
    inside = masks[:, pixel[:, 0], pixel[:, 1]].T  # (P, N)
    matching = inside & (classes[:, None] == mask_classes[None, :])
    best = torch.where(matching, scores, 0.0).max(dim=1)
    return torch.where(best.values > 0, best.indices, -1)
