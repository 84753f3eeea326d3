"""Prompted inference: clicks, or known objects, to candidates of SOLO (PointWSSIS, section 3).

Every click reads the kernel of the cell under it on every level and takes the level whose mask and
class score are best. So no clicked object can be missed and none invented. Known objects take their
positive cells: the rough masks that the refiner trains on.

Divergence from the official code: each point is looked up by itself, at its exact coordinates.
There, points that share a cell overwrite each other, and coordinates are cut to four digits.

Shapes: P points, L levels, K candidates, N instances, C classes. Coordinates are (y, x).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bestie.methods.solo.grids import Positives, cell_numbers, cells_of_points
from bestie.methods.solo.inference import Candidates, HeadOutputs
from bestie.methods.solo.kernels import MaskMeasures, measure_masks, select_levels

__all__ = [
    "PointCandidates",
    "candidates_of_cells",
    "candidates_of_points",
    "filter_by_points",
    "first_of_cells",
    "levels_of_sizes",
    "scale_points",
]


class PointCandidates(NamedTuple):
    """Candidates of points, and what is known about them.

    Attributes:
        candidates (Candidates): of the K points that found a mask; their value is 1.
        points (Tensor): (K,) int64 in [0, P), the point of each candidate.
        levels (Tensor): (K,) int64 in [0, L).
        class_scores (Tensor): (K,) float32, probability of the point's class in the chosen cell.
        measures (MaskMeasures): of the candidates' masks.
    """

    candidates: Candidates
    points: Tensor
    levels: Tensor
    class_scores: Tensor
    measures: MaskMeasures

    def select(self, index: Tensor) -> "PointCandidates":
        """Those of ``index``, (M,) int64."""
        return PointCandidates(
            Candidates(*(values[index] for values in self.candidates)),
            self.points[index],
            self.levels[index],
            self.class_scores[index],
            MaskMeasures(*(values[index] for values in self.measures)),
        )


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
    read = torch.arange(len(grids), device=points.device).expand(len(points), -1)
    cells = cell_numbers(read, under[..., 0], under[..., 1], grids)
    if levels is not None:  # the kernels of other levels are not needed
        cells, read = (values.gather(1, levels.unsqueeze(1)) for values in (cells, read))
    # Points share the large cells of coarse levels: each mask is measured once.
    needed, place = torch.unique(cells, return_inverse=True)
    measures = measure_masks(outputs.kernels[needed], outputs.features, mask_thresh)
    probability = outputs.class_probability(cells, classes.unsqueeze(1))
    # Given levels leave one column, which is chosen whatever its class score is.
    weights = probability if levels is None else torch.ones_like(probability)
    choice = select_levels(measures.maskness[place], weights)
    point = choice.found.nonzero().squeeze(1)
    column = choice.levels[point]
    chosen = place[point, column]
    ones = torch.ones(len(point), device=points.device)
    return PointCandidates(
        Candidates(cells[point, column], classes[point], ones),
        point,
        read[point, column],
        probability[point, column],
        MaskMeasures(*(values[chosen] for values in measures)),
    )


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


def first_of_cells(candidates: Candidates) -> tuple[Tensor, Tensor]:
    """The first candidate of each cell and class; the others have its mask.

    Returns:
        (M,) int64, rising: these candidates; and (M,) int64 the number that each stands for.
    """
    if not len(candidates.cells):
        return candidates.cells, candidates.cells
    keys = candidates.cells * (candidates.classes.max() + 1) + candidates.classes
    found, place, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    number = torch.arange(len(keys), device=keys.device)
    first = torch.full_like(found, len(keys)).scatter_reduce_(0, place, number, "amin")
    order = first.argsort()
    return first[order], counts[order]


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


def scale_points(points: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Points of an image in pixels of the same image at another size.

    Args:
        points: (P, 2) float (y, x), pixel indices.
        old: height and width that they refer to.
        new: the other height and width.

    Returns:
        (P, 2) float64, pixel indices.
    """
    if tuple(old) == tuple(new):
        return points.double()
    factor = [new[0] / old[0], new[1] / old[1]]
    scale = torch.tensor(factor, device=points.device, dtype=torch.float64)
    return (points.double() + 0.5) * scale - 0.5


def filter_by_points(
    masks: Iterable[np.ndarray],
    mask_classes: Tensor,
    scores: Tensor,
    points: Tensor,
    classes: Tensor,
) -> Tensor:
    """The best detection of the point's class that contains it: guidance without kernels.

    An ablation that works with any model: an object without a detection stays without a label.

    Args:
        masks: N masks (H, W) bool, which are read one after the other.
        mask_classes: (N,) int64.
        scores: (N,) float32, all above 0.
        points: (P, 2) float, pixel indices inside the masks' image.
        classes: (P,) int64.

    Returns:
        (P,) int64 in [0, N), or -1.
    """
    if not len(scores):
        return torch.full_like(classes, -1)
    rows, columns = points.floor().long().cpu().numpy().T
    inside = torch.from_numpy(np.stack([mask[rows, columns] for mask in masks], axis=1))
    matching = inside.to(classes.device) & (classes[:, None] == mask_classes[None, :])
    best = torch.where(matching, scores, 0.0).max(dim=1)
    return torch.where(best.values > 0, best.indices, -1)
