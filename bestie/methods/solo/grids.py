"""From instances and points to the cells of SOLO's grids.

SOLO (Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", NeurIPS 2020) divides the image
into S x S cells, with another S on every pyramid level. The cells around the center of an instance
are its positives; the size of the instance decides on which levels. Everything here is sparse and
works on a whole batch at once.

Shapes: N instances and P points of a batch, L levels, K positives. Coordinates are (y, x) in pixels
of the padded image, the network's input. The cells of all levels of an image have one numbering,
level after level and row after row: see :func:`cell_numbers`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Positives",
    "assign_cells",
    "cell_levels",
    "cell_numbers",
    "cells_of_points",
    "class_targets",
    "mask_boxes",
    "mask_centers",
    "quarter_masks",
]


class Positives(NamedTuple):
    """Pairs of an instance and a cell; in order of level, instance, row, column.

    Attributes:
        instances (Tensor): (K,) int64 in [0, N).
        cells (Tensor): (K,) int64 cell numbers within the image.
    """

    instances: Tensor
    cells: Tensor


def mask_centers(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Area and center of mass of each mask.

    Args:
        masks: (N, H, W) bool.

    Returns:
        areas (N,) int64, pixels, and centers (N, 2) float64 (y, x): the mean pixel index. The
        center of an empty mask is (0, 0).
    """
    areas = masks.sum(dim=(1, 2))
    centers = []
    for dim in (2, 1):  # what remains: rows, then columns
        counts = masks.sum(dim=dim).double()
        positions = torch.arange(counts.shape[1], device=masks.device, dtype=torch.float64)
        centers.append((counts @ positions) / areas.clamp(min=1))
    return areas, torch.stack(centers, dim=1)


def mask_boxes(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Bounding box of each mask.

    Args:
        masks: (N, H, W) bool.

    Returns:
        occupied (N,) bool, False for empty masks, and boxes (N, 4) int64 (y0, x0, y1, x1), last row
        and column included; those of empty masks mean nothing.
    """
    bits = masks.view(torch.uint8)  # reductions of bool are many times slower on the CPU
    sides = []
    for dim in (2, 1):  # what remains: rows, then columns
        occupied = bits.amax(dim=dim)
        first = occupied.argmax(dim=1)
        sides.append((first, occupied.shape[1] - 1 - occupied.flip(1).argmax(dim=1)))
    (top, bottom), (left, right) = sides
    return occupied.amax(dim=1) > 0, torch.stack([top, left, bottom, right], dim=1)


def assign_cells(
    centers: Tensor,
    sizes: Tensor,
    padded_size: tuple[int, int],
    grids: Sequence[int],
    ranges: Sequence[tuple[float, float]],
    sigma: float = 0.2,
) -> Positives:
    """The cells that each instance trains.

    An instance belongs to every level whose range holds sqrt(height x width), lower bound included,
    upper excluded. There it trains the cells that its center region touches, ``sigma`` times its
    box, but at most the cell of the center and the eight around that.

    Args:
        centers: (N, 2) float, centers of mass.
        sizes: (N, 2) float, height and width of the boxes, pixels. Instances to leave out get 0.
        padded_size: height and width that the grids divide.
        grids: cells along a side, S, of each level.
        ranges: lower and upper bound of each level, pixels.
        sigma: side of the center region as a share of the box.
    """
    bounds = torch.tensor(ranges, device=centers.device, dtype=torch.float64)
    length = sizes.double().prod(dim=1).sqrt()  # (N,)
    on_level = (length >= bounds[:, :1]) & (length < bounds[:, 1:])  # (L, N)

    reach = sizes.double() * (sigma / 2)
    middle = cells_of_points(centers, padded_size, grids)  # (N, L, 2)
    first = torch.maximum(cells_of_points(centers - reach, padded_size, grids), middle - 1)
    last = torch.minimum(cells_of_points(centers + reach, padded_size, grids), middle + 1)

    around = torch.arange(-1, 2, device=centers.device)
    cells = middle.unsqueeze(3) + around  # (N, L, 2, 3)
    inside = (cells >= first.unsqueeze(3)) & (cells <= last.unsqueeze(3))
    positive = inside[:, :, 0, :, None] & inside[:, :, 1, None, :]  # (N, L, 3, 3)
    positive = positive.transpose(0, 1) & on_level[:, :, None, None]
    levels, instances, row, column = positive.nonzero(as_tuple=True)
    rows, columns = cells[instances, levels, 0, row], cells[instances, levels, 1, column]
    return Positives(instances, cell_numbers(levels, rows, columns, grids))


def cells_of_points(points: Tensor, padded_size: tuple[int, int], grids: Sequence[int]) -> Tensor:
    """Row and column of the cell under each point on every level.

    Args:
        points: (P, 2) float (y, x); those outside the image belong to the nearest cell.
        padded_size: height and width that the grids divide.
        grids: cells along a side, S, of each level.

    Returns:
        (P, L, 2) int64.
    """
    size = torch.tensor(padded_size, device=points.device, dtype=torch.float64)
    side = torch.tensor(grids, device=points.device).view(-1, 1)
    # One multiplication before one division: whole pixels on a bound stay exact.
    cells = (points.double().unsqueeze(1) * side / size).floor().long()
    return torch.minimum(cells.clamp(min=0), side - 1)


def cell_numbers(levels: Tensor, rows: Tensor, columns: Tensor, grids: Sequence[int]) -> Tensor:
    """Number of a cell within its image: levels in order, rows of a level in order."""
    side = torch.tensor(grids, device=levels.device)
    before = (side.square().cumsum(0) - side.square())[levels]
    return before + rows * side[levels] + columns


def cell_levels(grids: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """(cells,) int64, the level of each cell number."""
    side = torch.tensor(grids, device=device)
    return torch.arange(len(grids), device=device).repeat_interleave(side.square())


def class_targets(
    positives: Positives,
    images: Tensor,
    classes: Tensor,
    batch_size: int,
    num_cells: int,
    num_classes: int,
) -> Tensor:
    """Class of every cell; where instances share a cell, that of the last one.

    Args:
        positives: of the batch.
        images: (N,) int64, image of each instance in [0, B).
        classes: (N,) int64 in [0, C).
        batch_size: B.
        num_cells: cells of one image, all levels.
        num_classes: C.

    Returns:
        (B, cells) int64; C is background.
    """
    owner = torch.full((batch_size * num_cells,), -1, device=images.device)
    place = images[positives.instances] * num_cells + positives.cells
    owner.scatter_reduce_(0, place, positives.instances, "amax")
    with_background = torch.cat([classes, classes.new_tensor([num_classes])])
    return with_background[owner].view(batch_size, num_cells)  # -1 is the last entry


def quarter_masks(masks: Tensor) -> Tensor:
    """Masks at a quarter of their size, where the mask features are.

    A pixel is set if at least two of the middle four pixels of its 4 x 4 block are, which is what
    bilinear resizing does.

    Args:
        masks: (N, H, W) bool, H and W multiples of 4.

    Returns:
        (N, H / 4, W / 4) bool.
    """
    upper = masks[:, 1::4, 1::4].byte() + masks[:, 1::4, 2::4].byte()
    lower = masks[:, 2::4, 1::4].byte() + masks[:, 2::4, 2::4].byte()
    return upper + lower >= 2
