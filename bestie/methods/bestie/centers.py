"""Centers: local maxima of the center map, and blobs of converging offsets (paper, section 3.4).

``grouping`` uses them at inference, ``refinement`` in training. ``reference.centers_of_component``
is the naive version: one component, one window, one blob at a time.

Shapes: B images, R regions and N centers of the whole batch. A region map is (B, H, W) int64: 0
none, r + 1 = region r. All steps run on the batch at once, on any device.

On a GPU, finding the centers waits for the device twice: for the number of candidates, and for what
``Centers`` knows as plain integers. What follows (``assign_pixels``, targets, losses) never waits.
Tables are read by ``index_select``, several times as fast on the CPU as indexing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bestie.regions.blobs import label_blobs
from bestie.regions.maxima import beat_neighbors, beat_window

__all__ = ["Centers", "ClusterSettings", "find_centers", "flat_indices", "sort_centers"]

# Pairs of a proposed center and a local maximum that are compared at once: bounds the memory where
# the center map is all noise.
PAIRS_AT_ONCE = 2**22


@dataclass(frozen=True)
class ClusterSettings:
    """Center clustering: 4-connected blobs of short offsets propose centers (MODEL.BESTIE.CLUSTER).

    Attributes:
        offset_thresh: offsets shorter than this belong to a blob, pixels.
        area: blobs with area - beta < pixels < area + beta propose their centroid.
        beta: see ``area``; 0 switches the clustering off.
        center_thresh: center value above which a proposal is kept.
        min_distance: pixels; a proposal must be farther from every local maximum of its region.
    """

    offset_thresh: float = 2.5
    area: float = 21.0
    beta: float = 3.0
    center_thresh: float = 0.05
    min_distance: float = 100.0

    @property
    def max_area(self) -> int:
        """Largest area of a blob that proposes a center, pixels."""
        return int(np.ceil(self.area + self.beta)) - 1


@dataclass(frozen=True, kw_only=True)
class Centers:
    """N centers sorted by region; within one, local maxima in row-major order, then clustered ones.

    Attributes:
        yx (Tensor): (N, 2) int64 (y, x).
        center_region (Tensor): (N,) int64 in [0, R), the region of each center.
        start (Tensor): (R,) int64, index of each region's first center.
        count (Tensor): (R,) int64, number of each region's centers.
        most (int): highest of ``count``; 0 without regions.
        owned_pixels (int): pixels of all regions with one center or more.
        contested_pixels (int): pixels of all regions with two centers or more.
    """

    yx: Tensor
    center_region: Tensor
    start: Tensor
    count: Tensor
    most: int
    owned_pixels: int
    contested_pixels: int

    @property
    def rank_in_region(self) -> Tensor:
        """(N,) int64, each center's number in its region, from 1."""
        first = self.start.index_select(0, self.center_region)
        return torch.arange(len(self.center_region), device=first.device) - first + 1


def find_centers(
    center_value: Tensor,
    offset: Tensor,
    region_map: Tensor,
    num_regions: int,
    *,
    threshold: float,
    kernel: int,
    cluster: ClusterSettings | None,
) -> tuple[Centers, Tensor]:
    """Find the centers of every region: local maxima, then clustered centers that these missed.

    Two touching objects in one region, the right one too weak in the center map::

        center_value           |offset| < 2.5          centers
        . 2 3 2 . . 1 1 .      . . # . . . . # .       . . P . . . . . .    P local maximum
        . 3 9 3 . . 1 1 .      . # # # . . # # #       . . . . . . . C .    C centroid of a blob
        . 2 3 2 . . 1 1 .      . . # . . . . # .       . . . . . . . . .

    The blob on the left proposes a center as well, but it is too near to P; C is kept if its center
    value is above ``cluster.center_thresh``.

    Args:
        center_value: (B, H, W) float32, value of the center map in the class of the pixel's region,
            0 outside the regions.
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        region_map: (B, H, W) int64 region map.
        num_regions: R.
        threshold: a local maximum lies strictly above this, in [0, 1].
        kernel: side of its square window, odd, pixels; only pixels of the same region compete.
        cluster: settings of center clustering; None switches it off.

    Returns:
        Centers, and ``center_value`` with 1.0 at every clustered center that was added.

    Raises:
        ValueError: ``threshold`` is negative, or ``kernel`` is not an odd positive number.
    """
    if threshold < 0:
        raise ValueError(f"The center threshold must not be negative, got {threshold}.")
    _, height, width = center_value.shape
    candidate = (center_value > threshold) & (region_map > 0)
    candidate = beat_neighbors(center_value, candidate, region_map, kernel=kernel)
    if cluster is None or cluster.beta <= 0:
        position = candidate.view(-1).nonzero().squeeze(1)
        used = beat_window(position, center_value, region_map, kernel=kernel)
    else:
        blobs = _find_blobs(offset, region_map, cluster)
        # Both numbers in one transfer: a GPU is waited for once, not twice.
        numbers = torch.stack([candidate.sum(), blobs.accepted.sum()]).tolist()
        peaks = flat_indices(candidate, numbers[0])
        is_peak = beat_window(peaks, center_value, region_map, kernel=kernel)
        proposals, is_center = _propose_centers(
            blobs, numbers[1], center_value, region_map, cluster
        )
        is_center &= ~_near_a_peak(peaks, is_peak, proposals, region_map, cluster.min_distance)
        center_value = _mark(center_value, proposals, is_center)
        position, used = torch.cat([peaks, proposals]), torch.cat([is_peak, is_center])
    yx = torch.stack([position // width % height, position % width], dim=1)
    center_region = region_map.view(-1).index_select(0, position) - 1
    center_region = torch.where(used, center_region, num_regions)
    return sort_centers(yx, center_region, region_map, num_regions), center_value


def flat_indices(mask: Tensor, number: int) -> Tensor:
    """(number,) int64 flat indices of a mask that is known to hold ``number`` pixels, ascending.

    ``nonzero`` would wait for the device to count them.
    """
    return torch.nonzero_static(mask.view(-1), size=number).squeeze(1)


@dataclass(frozen=True, kw_only=True)
class _Blobs:
    """Blobs of short offsets; the sums of each are kept at the flat index of its first pixel.

    Attributes:
        accepted (Tensor): (B*H*W,) bool, first pixel of a blob of the accepted area.
        area (Tensor): (B*H*W + 1,) int64, pixels.
        yx_sum (Tensor): (B*H*W + 1,) int64, sum of y in the upper, of x in the lower 32 bits, so
            that one pass adds up both; valid for blobs of the accepted area.
    """

    accepted: Tensor
    area: Tensor
    yx_sum: Tensor


def _find_blobs(offset: Tensor, region_map: Tensor, settings: ClusterSettings) -> _Blobs:
    """Blobs of short offsets inside one region. Args: as for :func:`find_centers`."""
    batch, height, width = region_map.shape
    length = (offset[:, 0].square() + offset[:, 1].square()).sqrt()
    short = (length < settings.offset_thresh) & (region_map > 0)
    label = label_blobs(short, region_map, settings.max_area).view(-1)
    y = torch.arange(height, device=region_map.device).unsqueeze(1) << 32
    yx = (y + torch.arange(width, device=region_map.device)).expand_as(region_map).reshape(-1)
    # What belongs to no blob adds to the extra last cell.
    zeros = torch.zeros(batch * height * width + 1, dtype=torch.int64, device=region_map.device)
    area = zeros.scatter_add(0, label, torch.ones_like(label))
    accepted = area[:-1] > settings.area - settings.beta
    accepted &= area[:-1] < settings.area + settings.beta
    return _Blobs(accepted=accepted, area=area, yx_sum=zeros.scatter_add(0, label, yx))


def _propose_centers(
    blobs: _Blobs, number: int, center_value: Tensor, region_map: Tensor, settings: ClusterSettings
) -> tuple[Tensor, Tensor]:
    """Centroids of the accepted blobs, and whether a center may be there.

    It may where the center value is high enough and the pixel is of the blob's region.

    Returns:
        (N,) int64 flat index of each centroid (truncated), in row-major order of the blobs' first
        pixels, and (N,) bool. A centroid may lie outside the blob's region, where that is concave.
    """
    _, height, width = region_map.shape
    first = flat_indices(blobs.accepted, number)
    area = blobs.area.index_select(0, first)
    yx_sum = blobs.yx_sum.index_select(0, first)
    y, x = (yx_sum >> 32) // area, (yx_sum & (2**32 - 1)) // area
    centroid = (first // (height * width) * height + y) * width + x
    flat_region = region_map.view(-1)
    allowed = flat_region.index_select(0, centroid) == flat_region.index_select(0, first)
    allowed &= center_value.reshape(-1).index_select(0, centroid) > settings.center_thresh
    return centroid, allowed


def _mark(center_value: Tensor, position: Tensor, used: Tensor) -> Tensor:
    """``center_value`` with 1.0 at the flat indices of the clustered centers that are used."""
    # Two blobs may share a centroid, and only one of them be used: the used one counts.
    mark = torch.zeros_like(center_value).view(-1)
    mark.scatter_reduce_(0, position, used.float(), reduce="amax")
    return torch.where(mark.view_as(center_value) > 0, 1.0, center_value)


def _near_a_peak(
    peaks: Tensor, is_peak: Tensor, proposals: Tensor, region_map: Tensor, min_distance: float
) -> Tensor:
    """(N,) bool: whether a proposal has a peak of its region within ``min_distance`` pixels."""
    _, height, width = region_map.shape
    flat_region = region_map.view(-1)
    near = [is_peak.new_zeros(0)]
    for block in proposals.split(max(1, PAIRS_AT_ONCE // max(1, len(peaks)))):
        dy = (block // width % height).unsqueeze(1) - (peaks // width % height)
        dx = (block % width).unsqueeze(1) - peaks % width
        own = flat_region.index_select(0, block).unsqueeze(1)
        close = (dy**2 + dx**2).float() <= min_distance**2
        near.append((close & (own == flat_region.index_select(0, peaks)) & is_peak).any(1))
    return torch.cat(near)


def sort_centers(
    yx: Tensor, center_region: Tensor, region_map: Tensor, num_regions: int
) -> Centers:
    """Sort centers by region, keeping their order within one.

    Args:
        yx: (N, 2) int64 (y, x).
        center_region: (N,) int64 region of each center, in [0, R]; R for centers to leave out.
        region_map: (B, H, W) int64 region map.
        num_regions: R.
    """
    center_region, order = torch.sort(center_region, stable=True)
    count = torch.zeros(num_regions + 1, dtype=torch.int64, device=center_region.device)
    count.scatter_add_(0, center_region, torch.ones_like(center_region))
    start = count.cumsum(0) - count
    # Entry 0 stands for "no region".
    count_at = torch.cat([count.new_zeros(1), count[:-1]]).index_select(0, region_map.view(-1))
    # All that is needed as plain integers in one transfer.
    numbers = [start[-1], count_at.amax(), (count_at > 0).sum(), (count_at > 1).sum()]
    kept, most, owned, contested = torch.stack(numbers).tolist()
    return Centers(
        yx=yx.index_select(0, order[:kept]),
        center_region=center_region[:kept],
        start=start[:-1],
        count=count[:-1],
        most=most,
        owned_pixels=owned,
        contested_pixels=contested,
    )
