"""Centers: local maxima of the center map, and blobs of converging offsets (paper, section 3.4).

Finds the centers of every region from center values and offsets: for ``grouping`` at inference, and
for ``refinement`` in training.

Shapes: B images, R regions and N centers of the whole batch. A region map is (B, H, W) int64: 0
none, r + 1 = region r. All steps run on the batch at once, on any device.

On a GPU, finding the centers waits for the device twice: for the number of candidates, and for the
counts that ``Centers`` keeps as Python ints. What follows (``assign_pixels``, targets, losses)
never does. Tables are read by ``index_select``, several times as fast on the CPU as indexing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Centers",
    "ClusterSettings",
    "blobs_as_on_a_gpu",
    "find_centers",
    "flat_indices",
    "sort_centers",
]

# Candidates whose windows are looked at in one go, and pairs of a proposed center and a candidate:
# they bound the memory where the center map is all noise.
CANDIDATES_AT_ONCE = 4096
PAIRS_AT_ONCE = 2**22
_gpu_algorithm_everywhere = False


@dataclass(frozen=True)
class ClusterSettings:
    """Center clustering: 4-connected blobs of short offsets propose centers.

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
        """Largest blob area that proposes a center, pixels."""
        return int(np.ceil(self.area + self.beta)) - 1


@dataclass(frozen=True)
class Centers:
    """N centers sorted by region; within one, local maxima in row-major order, then clustered ones.

    Attributes:
        yx (Tensor): (N, 2) int64 (y, x).
        region (Tensor): (N,) int64 in [0, R).
        start (Tensor): (R,) int64, index of each region's first center.
        count (Tensor): (R,) int64, number of each region's centers.
        most (int): highest of ``count``; 0 without regions.
        owned_pixels (int): pixels of all regions that have a center.
        contested_pixels (int): pixels of all regions that have several.
    """

    yx: Tensor
    region: Tensor
    start: Tensor
    count: Tensor
    most: int
    owned_pixels: int
    contested_pixels: int

    @property
    def number(self) -> Tensor:
        """(N,) int64, each center's number in its region, from 1."""
        first = self.start.index_select(0, self.region)
        return torch.arange(len(self.region), device=first.device) - first + 1


def find_centers(
    value: Tensor,
    offset: Tensor,
    region: Tensor,
    num_regions: int,
    *,
    threshold: float,
    kernel: int,
    cluster: ClusterSettings | None,
) -> tuple[Centers, Tensor]:
    """Find the centers of every region: local maxima, then clustered centers that these missed.

    Args:
        value: (B, H, W) float32 center value of the pixel's own class, 0 outside the regions.
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        region: (B, H, W) int64 region map.
        num_regions: R.
        threshold: a local maximum lies strictly above this, in [0, 1].
        kernel: side of its square window, odd, pixels; only pixels of the same region compete.
        cluster: settings of center clustering; None switches it off.

    Returns:
        Centers, and ``value`` with 1.0 at every clustered center that was added.
    """
    _, height, width = value.shape
    candidate = _beat_their_neighbours(value, region, threshold, kernel)
    if cluster is None or cluster.beta <= 0:
        position = candidate.view(-1).nonzero().squeeze(1)
        used = _beat_their_window(position, value, region, kernel)
    else:
        blobs = _find_blobs(offset, region, cluster)
        numbers = torch.stack([candidate.sum(), blobs.accepted.sum()]).tolist()
        peaks = flat_indices(candidate, numbers[0])
        is_peak = _beat_their_window(peaks, value, region, kernel)
        proposals, is_center = _propose_centers(blobs, numbers[1], value, region, cluster)
        is_center &= ~_near_a_peak(peaks, is_peak, proposals, region, cluster.min_distance)
        value = _mark(value, proposals, is_center)
        position, used = torch.cat([peaks, proposals]), torch.cat([is_peak, is_center])
    yx = torch.stack([position // width % height, position % width], dim=1)
    owner = torch.where(used, region.view(-1).index_select(0, position) - 1, num_regions)
    return sort_centers(yx, owner, region, num_regions), value


def flat_indices(mask: Tensor, number: int) -> Tensor:
    """(number,) int64 flat indices of a mask that is known to hold ``number`` pixels, ascending."""
    return torch.nonzero_static(mask.view(-1), size=number).squeeze(1)


def _beat_their_neighbours(value: Tensor, region: Tensor, threshold: float, kernel: int) -> Tensor:
    """(B, H, W) bool: above ``threshold``, and exceeded by none of the eight neighbours in the
    region."""
    if threshold < 0:
        raise ValueError(f"The center threshold must not be negative, got {threshold}.")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"The window of the local maxima must be odd and positive, got {kernel}.")
    _, height, width = value.shape
    best = (value > threshold) & (region > 0)
    shifts = [(0, 1), (1, -1), (1, 0), (1, 1)] if kernel > 1 else []
    for dy, dx in shifts:
        a = (slice(None), slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        b = (slice(None), slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        same = region[a] == region[b]
        best[a] &= ~(same & (value[b] > value[a]))
        best[b] &= ~(same & (value[a] > value[b]))
    return best


def _beat_their_window(candidates: Tensor, value: Tensor, region: Tensor, kernel: int) -> Tensor:
    """(N,) bool: no pixel of the region exceeds the candidate in the window around it.

    Only the few pixels that beat their neighbours are compared with their whole window, so the cost
    does not grow with the window's area times the image's.

    Args:
        candidates: (N,) int64 flat indices.
        value, region, kernel: as for :func:`find_centers`.
    """
    _, height, width = value.shape
    reach = kernel // 2
    step = torch.arange(-reach, reach + 1, device=value.device)
    flat_value, flat_region = value.reshape(-1), region.view(-1)
    kept = [candidates.new_zeros(0, dtype=torch.bool)]
    for block in candidates.split(CANDIDATES_AT_ONCE):
        image, y, x = block // (height * width), block // width % height, block % width
        # Clamping repeats border pixels, which changes no maximum.
        rows = (y.unsqueeze(1) + step).clamp(0, height - 1)
        columns = (x.unsqueeze(1) + step).clamp(0, width - 1)
        window = (image.unsqueeze(1) * height + rows).unsqueeze(2) * width + columns.unsqueeze(1)
        window = window.view(-1)
        rival = flat_value.index_select(0, window).view(len(block), kernel**2)
        same = flat_region.index_select(0, window).view(len(block), kernel**2)
        rival = rival > flat_value.index_select(0, block).unsqueeze(1)
        rival &= same == flat_region.index_select(0, block).unsqueeze(1)
        kept.append(~rival.any(1))
    return torch.cat(kept)


@dataclass(frozen=True)
class _Blobs:
    """Blobs of short offsets; the sums of each are kept at the flat index of its first pixel.

    Attributes:
        accepted (Tensor): (B*H*W,) bool, first pixel of a blob of the accepted area.
        area (Tensor): (B*H*W + 1,) int64, pixels.
        yx_sum (Tensor): (B*H*W + 1,) int64, sum of y in the upper, of x in the lower 32 bits; right
            for blobs of the accepted area.
    """

    accepted: Tensor
    area: Tensor
    yx_sum: Tensor


def _find_blobs(offset: Tensor, region: Tensor, settings: ClusterSettings) -> _Blobs:
    """Blobs of short offsets inside one region, 4-connected. Args: as for :func:`find_centers`."""
    batch, height, width = region.shape
    length = (offset[:, 0].square() + offset[:, 1].square()).sqrt()
    short = (length < settings.offset_thresh) & (region > 0)
    label = _label_blobs(short, region, settings.max_area).view(-1)
    y = torch.arange(height, device=region.device).unsqueeze(1) << 32
    yx = (y + torch.arange(width, device=region.device)).expand_as(region).reshape(-1)
    # What belongs to no blob adds to the extra last cell.
    zeros = torch.zeros(batch * height * width + 1, dtype=torch.int64, device=region.device)
    area = zeros.scatter_add(0, label, torch.ones_like(label))
    accepted = area[:-1] > settings.area - settings.beta
    accepted &= area[:-1] < settings.area + settings.beta
    return _Blobs(accepted, area, zeros.scatter_add(0, label, yx))


def _propose_centers(
    blobs: _Blobs, number: int, value: Tensor, region: Tensor, settings: ClusterSettings
) -> tuple[Tensor, Tensor]:
    """Centroids of the accepted blobs, and whether center value and region allow a center there.

    Returns:
        (N,) int64 flat index of each centroid (truncated), in row-major order of the blobs' first
        pixels, and (N,) bool. A centroid may lie outside the blob's region, where that is concave.
    """
    _, height, width = region.shape
    first = flat_indices(blobs.accepted, number)
    area = blobs.area.index_select(0, first)
    yx_sum = blobs.yx_sum.index_select(0, first)
    y, x = (yx_sum >> 32) // area, (yx_sum & (2**32 - 1)) // area
    centroid = (first // (height * width) * height + y) * width + x
    flat_region = region.view(-1)
    allowed = flat_region.index_select(0, centroid) == flat_region.index_select(0, first)
    allowed &= value.reshape(-1).index_select(0, centroid) > settings.center_thresh
    return centroid, allowed


def _mark(value: Tensor, position: Tensor, used: Tensor) -> Tensor:
    """``value`` with 1.0 at the flat indices of the clustered centers that are used."""
    # Two blobs may share a centroid, and only one of them be used: the used one counts.
    mark = torch.zeros_like(value).view(-1)
    mark.scatter_reduce_(0, position, used.float(), reduce="amax")
    return torch.where(mark.view_as(value) > 0, 1.0, value)


@contextmanager
def blobs_as_on_a_gpu() -> Iterator[None]:
    """Find blobs on the CPU by the GPU's algorithm too, so that it can be examined there."""
    global _gpu_algorithm_everywhere
    _gpu_algorithm_everywhere = True
    try:
        yield
    finally:
        _gpu_algorithm_everywhere = False


def _label_blobs(mask: Tensor, region: Tensor, max_area: int) -> Tensor:
    """(B, H, W) int64: flat index of the blob's first pixel; B*H*W outside all (small) blobs."""
    if mask.device.type == "cpu" and not _gpu_algorithm_everywhere:
        return _label_blobs_cpu(mask, region)
    return _label_blobs_by_propagation(mask, region, max_area)


def _label_blobs_cpu(mask: Tensor, region: Tensor) -> Tensor:
    """One call of OpenCV for the whole batch.

    The image is drawn at twice its size with a bridge wherever two neighbouring pixels of the mask
    lie in the same region, so that blobs of touching regions stay apart.
    """
    batch, height, width = mask.shape
    mask_array, region_array = mask.numpy(), region.numpy()
    double = np.zeros((batch, 2 * height, 2 * width), np.uint8)
    double[:, ::2, ::2] = mask_array
    double[:, ::2, 1:-1:2] = (
        mask_array[:, :, 1:]
        & mask_array[:, :, :-1]
        & (region_array[:, :, 1:] == region_array[:, :, :-1])
    )
    double[:, 1:-1:2, ::2] = (
        mask_array[:, 1:] & mask_array[:, :-1] & (region_array[:, 1:] == region_array[:, :-1])
    )
    # The last row of each doubled image is empty: stacked images cannot touch.
    count, labels = cv2.connectedComponents(double.reshape(-1, 2 * width), connectivity=4)
    labels = labels[::2, ::2].reshape(-1)
    size = labels.size
    first = np.full(count, size, np.int64)
    inside = np.flatnonzero(labels)
    first[labels[inside[::-1]]] = inside[::-1]  # the last write, the smallest index, stays
    return torch.from_numpy(first[labels]).view_as(region)


def _label_blobs_by_propagation(mask: Tensor, region: Tensor, max_area: int) -> Tensor:
    """Spread the smallest flat index through each blob, without host synchronisation.

    ``max_area`` steps: that many settle every blob of that area. A larger blob may still hold
    several labels; these touch, and are taken back.
    """
    size = mask.numel()
    nothing = region.new_full((), size)
    label = torch.where(mask, torch.arange(size, device=mask.device).view_as(region), nothing)
    down = mask[:, 1:] & mask[:, :-1] & (region[:, 1:] == region[:, :-1])
    right = mask[:, :, 1:] & mask[:, :, :-1] & (region[:, :, 1:] == region[:, :, :-1])
    pairs = [
        (down, (slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        (right, (slice(None), slice(None), slice(1, None)), (slice(None), slice(None), slice(-1))),
    ]
    for _ in range(max_area):
        for linked, a, b in pairs:
            least = torch.where(linked, torch.minimum(label[a], label[b]), nothing)
            label[a] = torch.minimum(label[a], least)
            label[b] = torch.minimum(label[b], least)
    unsettled = torch.zeros(size + 1, dtype=torch.bool, device=mask.device)
    for linked, a, b in pairs:
        torn = linked & (label[a] != label[b])
        unsettled.scatter_(0, torch.where(torn, label[a], nothing).reshape(-1), True)
        unsettled.scatter_(0, torch.where(torn, label[b], nothing).reshape(-1), True)
    return torch.where(unsettled[label], nothing, label)


def _near_a_peak(
    peaks: Tensor, is_peak: Tensor, proposals: Tensor, region: Tensor, min_distance: float
) -> Tensor:
    """(N,) bool: whether a proposal has a peak of its region within ``min_distance`` pixels."""
    _, height, width = region.shape
    flat_region = region.view(-1)
    near = [is_peak.new_zeros(0)]
    for block in proposals.split(max(1, PAIRS_AT_ONCE // max(1, len(peaks)))):
        dy = (block // width % height).unsqueeze(1) - (peaks // width % height)
        dx = (block % width).unsqueeze(1) - peaks % width
        own = flat_region.index_select(0, block).unsqueeze(1)
        close = (dy**2 + dx**2).float() <= min_distance**2
        near.append((close & (own == flat_region.index_select(0, peaks)) & is_peak).any(1))
    return torch.cat(near)


def sort_centers(yx: Tensor, owner: Tensor, region: Tensor, num_regions: int) -> Centers:
    """Sort centers by region, keeping their order within one.

    Args:
        yx: (N, 2) int64 (y, x).
        owner: (N,) int64 region of each center, in [0, R]; R for centers to leave out.
        region: (B, H, W) int64 region map.
        num_regions: R.
    """
    owner, order = torch.sort(owner, stable=True)
    count = torch.zeros(num_regions + 1, dtype=torch.int64, device=owner.device)
    count.scatter_add_(0, owner, torch.ones_like(owner))
    start = count.cumsum(0) - count
    # Entry 0 stands for "no region".
    count_at = torch.cat([count.new_zeros(1), count[:-1]]).index_select(0, region.view(-1))
    numbers = [start[-1], count_at.amax(), (count_at > 0).sum(), (count_at > 1).sum()]
    kept, most, owned, contested = torch.stack(numbers).tolist()
    order = order[:kept]
    return Centers(
        yx.index_select(0, order), owner[:kept], start[:-1], count[:-1], most, owned, contested
    )
