"""Centers: local maxima of the center map, and blobs of converging offsets (paper, section 3.4).

Comes in: center values, offsets and the regions to look inside. Goes out: the centers of every
region. Called by ``grouping`` at inference and by ``refinement`` in training.

Shapes: B images, R regions and N centers of the whole batch. A region map is (B, H, W) int64: 0
none, r + 1 = region r. All steps run on the batch at once, on any device.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Centers",
    "ClusterSettings",
    "cluster_offsets",
    "find_centers",
    "find_local_maxima",
    "sort_centers",
]

# Candidates whose windows are looked at in one go: bounds the memory of find_local_maxima.
CANDIDATES_AT_ONCE = 4096


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
        region (Tensor): (N,) int64 in [0, R]; R marks a center that is not used.
        start (Tensor): (R + 1,) int64, index of each region's first center.
        count (Tensor): (R + 1,) int64, number of each region's centers; 0 for the last entry.
    """

    yx: Tensor
    region: Tensor
    start: Tensor
    count: Tensor

    @property
    def number(self) -> Tensor:
        """(N,) int64, each center's number in its region, from 1."""
        return (
            torch.arange(len(self.region), device=self.region.device) - self.start[self.region] + 1
        )


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
    peaks = find_local_maxima(value, region, threshold, kernel)
    flat_value, flat_region = value.reshape(-1), region.reshape(-1)
    if cluster is None or cluster.beta <= 0:
        position = peaks
        added = torch.zeros_like(peaks, dtype=torch.bool)
        used = torch.ones_like(added)
    else:
        proposals, good = cluster_offsets(offset, region, cluster)
        good = good & (flat_value[proposals] > cluster.center_thresh)
        position = torch.cat([peaks, proposals])
        added = torch.arange(len(position), device=value.device) >= len(peaks)
        used = torch.cat([torch.ones_like(peaks, dtype=torch.bool), good])
        near = _near_a_peak(peaks, proposals, flat_region, (height, width), cluster.min_distance)
        used = used & ~torch.cat([torch.zeros_like(peaks, dtype=torch.bool), near])
        # Two blobs may share a centroid, and only one of them be used: the used one counts.
        mark = torch.zeros_like(flat_value)
        mark.scatter_reduce_(0, position, (used & added).float(), reduce="amax")
        value = torch.where(mark > 0, 1.0, flat_value).view_as(value)
    yx = torch.stack([position // width % height, position % width], dim=1)
    owner = torch.where(used, flat_region[position] - 1, num_regions)
    return sort_centers(yx, owner, num_regions), value


def find_local_maxima(value: Tensor, region: Tensor, threshold: float, kernel: int) -> Tensor:
    """Pixels above ``threshold`` that no pixel of their region exceeds in the window around them.

    The few pixels that win among their eight neighbours are compared with their whole window, so
    the cost does not grow with the window's area times the image's.

    Args: as for :func:`find_centers`.

    Returns:
        (N,) int64 flat indices into (B, H, W), ascending.
    """
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
    candidates = best.view(-1).nonzero().squeeze(1)
    reach = kernel // 2
    step = torch.arange(-reach, reach + 1, device=value.device)
    flat_value, flat_region = value.reshape(-1), region.reshape(-1)
    kept = []
    for block in candidates.split(CANDIDATES_AT_ONCE):
        image, y, x = block // (height * width), block // width % height, block % width
        # Clamping repeats border pixels, which changes no maximum.
        rows = (y.unsqueeze(1) + step).clamp(0, height - 1)
        columns = (x.unsqueeze(1) + step).clamp(0, width - 1)
        window = (image.unsqueeze(1) * height + rows).unsqueeze(2) * width + columns.unsqueeze(1)
        rival = flat_value[window] > flat_value[block].view(-1, 1, 1)
        rival &= flat_region[window] == flat_region[block].view(-1, 1, 1)
        kept.append(~rival.flatten(1).any(1))
    return candidates[torch.cat(kept)] if kept else candidates


def cluster_offsets(
    offset: Tensor, region: Tensor, settings: ClusterSettings
) -> tuple[Tensor, Tensor]:
    """Blobs of short offsets inside one region, 4-connected, of the accepted area.

    Args: as for :func:`find_centers`.

    Returns:
        (N,) int64 flat index of each blob's centroid (truncated), in row-major order of the blobs'
        first pixels, and (N,) bool: whether the centroid lies in the blob's own region (it may not,
        where that is concave).
    """
    batch, height, width = region.shape
    short = (offset.square().sum(1).sqrt() < settings.offset_thresh) & (region > 0)
    label = _label_blobs(short, region, settings.max_area)
    size = batch * height * width
    flat = torch.arange(size, device=region.device)
    # Sums over each blob, kept at its first pixel; what belongs to no blob adds to the extra last
    # cell.
    label = label.reshape(-1)
    area = torch.zeros(size + 1, dtype=torch.int64, device=region.device)
    area.scatter_add_(0, label, torch.ones_like(label))
    accepted = (area[:-1] > settings.area - settings.beta) & (
        area[:-1] < settings.area + settings.beta
    )
    first = accepted.nonzero().squeeze(1)
    y_sum = torch.zeros_like(area).scatter_add_(0, label, flat // width % height)
    x_sum = torch.zeros_like(area).scatter_add_(0, label, flat % width)
    y, x = y_sum[first] // area[first], x_sum[first] // area[first]
    centroid = (first // (height * width) * height + y) * width + x
    flat_region = region.reshape(-1)
    return centroid, flat_region[centroid] == flat_region[first]


def _label_blobs(mask: Tensor, region: Tensor, max_area: int) -> Tensor:
    """(B, H, W) int64: flat index of the blob's first pixel; B*H*W outside all (small) blobs."""
    if mask.device.type == "cpu":
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
    peaks: Tensor, proposals: Tensor, region: Tensor, size: tuple[int, int], min_distance: float
) -> Tensor:
    """(N,) bool: whether a proposal has a peak of its region within ``min_distance`` pixels."""
    height, width = size
    dy = (proposals // width % height).unsqueeze(1) - (peaks // width % height).unsqueeze(0)
    dx = (proposals % width).unsqueeze(1) - (peaks % width).unsqueeze(0)
    same = region[proposals].unsqueeze(1) == region[peaks].unsqueeze(0)
    return (same & ((dy**2 + dx**2).float() <= min_distance**2)).any(1)


def sort_centers(yx: Tensor, region: Tensor, num_regions: int) -> Centers:
    """Sort centers by region, keeping their order within one.

    Args:
        yx: (N, 2) int64 (y, x).
        region: (N,) int64 in [0, R]; R for centers to leave out.
        num_regions: R.
    """
    region, order = torch.sort(region, stable=True)
    count = torch.zeros(num_regions + 1, dtype=torch.int64, device=region.device)
    count.scatter_add_(0, region, torch.ones_like(region))
    start = count.cumsum(0) - count
    count[num_regions] = 0
    return Centers(yx[order], region, start, count)
