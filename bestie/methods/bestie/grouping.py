"""Center map + offsets + foreground -> instances (paper, sections 3.1 and 3.4).

The meta-architecture calls ``group_pixels`` and ``group_pixels_by_points`` at inference; the steps
below them are shared with ``refinement``.

Shapes: B images, C foreground classes, R regions and N centers of the whole batch. A region map is
(B, H, W) int64: 0 none, r + 1 = region r. All steps run on the batch at once, on any device.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bestie.methods.bestie.centers import (
    Centers,
    ClusterSettings,
    find_centers,
    flat_indices,
    sort_centers,
)
from bestie.methods.bestie.targets import pixel_grid
from bestie.regions.components import find_components

__all__ = [
    "GroupedInstances",
    "InstanceMeasures",
    "assign_pixels",
    "gather_by_class",
    "group_pixels",
    "group_pixels_by_points",
    "measure_instances",
]


@dataclass(frozen=True, kw_only=True)
class GroupedInstances:
    """Instances of one image; masks never overlap.

    Attributes:
        instance_map (Tensor): (H, W) int64, 0 none, i + 1 = pixel of instance i.
        classes (Tensor): (N,) int64 in [0, C).
        scores (Tensor): (N,) float32 in [0, 1].
    """

    instance_map: Tensor
    classes: Tensor
    scores: Tensor


def group_pixels(
    probability: Tensor,
    center: Tensor,
    offset: Tensor,
    *,
    threshold: float = 0.1,
    kernel: int = 41,
    min_area: int = 50,
    cluster: ClusterSettings | None = None,
    keep_centerless: bool = True,
) -> GroupedInstances:
    """Group the pixels of one image into instances around predicted centers.

    The map of the most probable class is cut into components of ``min_area`` or more. In each:
    centers as in :func:`find_centers`, each pixel to the nearest. Score = v x s with v the highest
    center value on the instance and s its mean class probability; v of 1 or more (so also that of a
    clustered center) is replaced by s. A component without any center is one instance, if
    ``keep_centerless``.

    Args:
        probability: (C + 1, H, W) float32, background first; classes may be zeroed beforehand.
        center: (C, H, W) float32.
        offset: (2, H, W) float32 (dy, dx), pixels.
        threshold: a local maximum of the center map lies above it.
        kernel: side of the window of the local maxima, pixels, odd.
        min_area: pixels that a component needs.
        cluster: center clustering; None switches it off.
        keep_centerless: see above.
    """
    best_probability, class_map = probability.max(0)
    region_map, region_classes = _regions_of_class_map(class_map, min_area)
    center_value = gather_by_class(center.unsqueeze(0), region_map, region_classes)
    centers, center_value = find_centers(
        center_value,
        offset.unsqueeze(0),
        region_map,
        len(region_classes),
        threshold=threshold,
        kernel=kernel,
        cluster=cluster,
    )
    pixel_owner = assign_pixels(offset.unsqueeze(0), region_map, centers)
    classes = region_classes.index_select(0, centers.center_region)
    if keep_centerless:
        # The pixels without an owner become one instance per component, numbered after the centers.
        whole = len(classes) + region_map - 1
        pixel_owner = torch.where((pixel_owner < 0) & (region_map > 0), whole, pixel_owner)
        classes = torch.cat([classes, region_classes])
    inside = (pixel_owner >= 0).view(-1).nonzero().squeeze(1)
    found = measure_instances(
        center_value, best_probability.unsqueeze(0), pixel_owner, inside, len(classes)
    )
    scores = torch.where(found.peak >= 1, found.mean, found.peak) * found.mean
    return _compact(pixel_owner[0], classes, scores.clamp(0, 1), found.area)


def group_pixels_by_points(
    probability: Tensor, offset: Tensor, points: Tensor, point_classes: Tensor
) -> GroupedInstances:
    """Group the pixels of one image: each to the point of its class nearest to pixel + offset.

    Classes without a point yield nothing; there are no components and no minimum area. Score = mean
    class probability.

    Args:
        probability: (C + 1, H, W) float32, background first; classes may be zeroed beforehand.
        offset: (2, H, W) float32 (dy, dx), pixels.
        points: (P, 2) (y, x), pixel indices; fractions are truncated.
        point_classes: (P,) int64 in [0, C).
    """
    best_probability, class_map = probability.max(0)
    region_map = class_map.unsqueeze(0)  # each foreground class is one region
    centers = sort_centers(points.long(), point_classes.long(), region_map, len(probability) - 1)
    pixel_owner = assign_pixels(offset.unsqueeze(0), region_map, centers)
    inside = flat_indices(pixel_owner >= 0, centers.owned_pixels)
    best_probability = best_probability.unsqueeze(0)
    found = measure_instances(best_probability, best_probability, pixel_owner, inside, len(points))
    return _compact(pixel_owner[0], centers.center_region, found.mean, found.area)


def assign_pixels(offset: Tensor, region_map: Tensor, centers: Centers) -> Tensor:
    """Give each pixel of a region to the region's center nearest to pixel + offset.

    Args:
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        region_map: (B, H, W) int64 region map.
        centers: of all regions.

    Returns:
        (B, H, W) int64 index into ``centers``; -1 outside all regions and where a region has no
        center.
    """
    _, height, width = region_map.shape
    flat_region = region_map.view(-1)
    # Entry 0 of the padded tables stands for "no region".
    count = torch.cat([centers.count.new_zeros(1), centers.count])
    start = torch.cat([centers.start.new_zeros(1), centers.start])
    first = torch.where(count > 0, start, -1)
    pixel_owner = first.index_select(0, flat_region)
    if centers.contested_pixels == 0:
        return pixel_owner.view_as(region_map)
    # Regions with one center are finished: every pixel belongs to it. Only pixels of regions with
    # several centers need distances. How many these are is known already on the host, so that a GPU
    # does not have to wait for it here.
    contested = flat_indices((count > 1).index_select(0, flat_region), centers.contested_pixels)
    y, x = pixel_grid(height, width, region_map.device)
    target_y = (offset[:, 0] + y).reshape(-1).index_select(0, contested)
    target_x = (offset[:, 1] + x).reshape(-1).index_select(0, contested)
    own_region = flat_region.index_select(0, contested)
    first, number = start.index_select(0, own_region), count.index_select(0, own_region)
    center_y, center_x = centers.yx.float().unbind(1)
    nearest, best = first, torch.full_like(target_y, torch.inf)
    last = len(center_y) - 1
    # Step k compares every pixel with the k-th center of its own region. So the loop has as many
    # steps as the most crowded region has centers, and memory is one value per pixel: no table of
    # pixels x centers. Strictly closer: of equally near centers the first counts.
    for step in range(centers.most):
        index = (first + step).clamp(max=last)
        distance = (center_y.index_select(0, index) - target_y) ** 2
        distance += (center_x.index_select(0, index) - target_x) ** 2
        closer = (distance < best) & (number > step)
        nearest = torch.where(closer, index, nearest)
        best = torch.where(closer, distance, best)
    return pixel_owner.scatter(0, contested, nearest).view_as(region_map)


class InstanceMeasures(NamedTuple):
    """Measures of N instances.

    Attributes:
        peak (Tensor): (N,) float32, highest center value; 0 without pixels.
        position (Tensor): (N,) int64, flat index of its first occurrence.
        area (Tensor): (N,) int64, pixels.
        mean (Tensor): (N,) float32, mean class probability.
    """

    peak: Tensor
    position: Tensor
    area: Tensor
    mean: Tensor


def measure_instances(
    center_value: Tensor, probability: Tensor, pixel_owner: Tensor, inside: Tensor, number: int
) -> InstanceMeasures:
    """Highest center value of each instance, where that is, its area and its mean probability.

    Args:
        center_value: (B, H, W) float32.
        probability: (B, H, W) float32 probability of the pixel's class.
        pixel_owner: (B, H, W) int64 instance of each pixel in [0, N), -1 none.
        inside: (P,) int64 flat indices of the pixels of instances, ascending.
        number: N.
    """
    device = center_value.device
    index = pixel_owner.view(-1).index_select(0, inside)
    values = center_value.reshape(-1).index_select(0, inside)
    area = torch.zeros(number, dtype=torch.int64, device=device)
    area.scatter_add_(0, index, torch.ones_like(index))
    peak = torch.full((number,), -torch.inf, device=device)
    peak.scatter_reduce_(0, index, values, reduce="amax")
    size = pixel_owner.numel()
    position = torch.full((number,), size, dtype=torch.int64, device=device)
    at_peak = torch.where(values == peak.index_select(0, index), inside, size)
    position.scatter_reduce_(0, index, at_peak, reduce="amin")
    # float64: the order in which a GPU adds varies, and must not show in the float32 result.
    mean = torch.zeros(number, dtype=torch.float64, device=device)
    mean.scatter_add_(0, index, probability.reshape(-1).index_select(0, inside).double())
    empty = area == 0
    return InstanceMeasures(
        peak=peak.masked_fill(empty, 0.0),
        position=position.masked_fill(empty, 0),
        area=area,
        mean=(mean / area.clamp(min=1)).float(),
    )


def gather_by_class(
    maps: Tensor, region_map: Tensor, region_classes: Tensor, first: int = 0
) -> Tensor:
    """Value of each pixel in the channel of its region's class; 0 outside all regions.

    Args:
        maps: (B, K, H, W) float.
        region_map: (B, H, W) int64 region map.
        region_classes: (R,) int64 classes.
        first: channel of class 0.

    Returns:
        (B, H, W) float.
    """
    channel = torch.cat([region_classes.new_zeros(1), region_classes + first])
    channel = channel.index_select(0, region_map.view(-1)).view_as(region_map)
    values = maps.gather(1, channel.unsqueeze(1)).squeeze(1)
    return torch.where(region_map > 0, values, values.new_zeros(()))


def _regions_of_class_map(class_map: Tensor, min_area: int) -> tuple[Tensor, Tensor]:
    """Components of an (H, W) class map (0 background) as (1, H, W) region map and (R,) classes."""
    class_array = class_map.to(torch.uint8).cpu().numpy()
    present = np.flatnonzero(np.bincount(class_array.ravel())[1:])
    components = find_components(class_array, present, min_area)
    region_map = torch.from_numpy(components.map).to(class_map.device, torch.int64).unsqueeze(0)
    return region_map, torch.from_numpy(components.classes).to(class_map.device)


def _compact(
    pixel_owner: Tensor, classes: Tensor, scores: Tensor, area: Tensor
) -> GroupedInstances:
    """Drop the instances without pixels and number the others in order."""
    keep = area > 0
    number = torch.where(keep, keep.cumsum(0), 0)
    table = torch.cat([number.new_zeros(1), number])
    instance_map = table.index_select(0, pixel_owner.view(-1) + 1).view_as(pixel_owner)
    return GroupedInstances(instance_map=instance_map, classes=classes[keep], scores=scores[keep])
