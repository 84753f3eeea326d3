"""Self-refinement (paper, section 3.4): better targets from network outputs and the given map.

The network's own full-resolution outputs, without gradient, are read inside the regions of the
*given* weak map; the targets have the same form as those of the pseudo labels. It runs in every
training step, on the training device, for the whole batch at once. ``reference.refine`` is the
naive version.

Shapes: B images, C foreground classes, R components, N centers of the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bestie.methods.bestie.centers import ClusterSettings, find_centers, flat_indices, sort_centers
from bestie.methods.bestie.grouping import assign_pixels, gather_by_class, measure_instances
from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets
from bestie.regions import PointSet, Regions

__all__ = ["RefineSettings", "refine_labels", "refine_labels_with_points"]


@dataclass(frozen=True)
class RefineSettings:
    """Self-refinement (MODEL.BESTIE.REFINE.*).

    Attributes:
        start_iter: iteration of the training from which labels are refined.
        center_thresh: a local maximum of the center map lies above it, in [0, 1].
        kernel: side of the window of the local maxima, pixels, odd.
        max_instances: a component is skipped if a center numbered above this owns a pixel.
        guide_centers: with clicks, the refined weights guide the center term too.
    """

    start_iter: int = 0
    center_thresh: float = 0.3
    kernel: int = 41
    max_instances: int = 5
    guide_centers: bool = False


@torch.no_grad()
def refine_labels(
    semantic_log_probability: Tensor,
    center: Tensor,
    offset: Tensor,
    regions: Regions,
    tags: Tensor,
    settings: RefineSettings,
    *,
    sigma: float = 6.0,
    cluster: ClusterSettings | None = None,
) -> InstanceTargets:
    """Refine the labels of image-level supervision.

    Per component of the weak map: centers as in ``centers.find_centers``, each pixel to the
    nearest. A component is skipped if it has no center, or if a center numbered above
    ``max_instances`` owns a pixel. Each instance: v = highest center value on its pixels, s = their
    mean class probability. Its center is where v is and its confidence v x s; if v is below
    ``center_thresh``, its center is the component's centroid and its confidence s.

    Args:
        semantic_log_probability: (B, C + 1, H, W) float32, background first.
        center: (B, C, H, W) float32.
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        regions: R components of the given weak maps.
        tags: (B, T) int64 classes of each image, filled up with C.
        settings: of the refinement.
        sigma: of the drawn Gaussians, pixels.
        cluster: center clustering; None switches it off.
    """
    center_value = gather_by_class(center, regions.map, regions.classes)
    centers, center_value = find_centers(
        center_value,
        offset,
        regions.map,
        len(regions),
        threshold=settings.center_thresh,
        kernel=settings.kernel,
        cluster=cluster,
    )
    pixel_owner = assign_pixels(offset, regions.map, centers)
    probability = gather_by_class(
        semantic_log_probability, regions.map, regions.classes, first=1
    ).exp()
    inside = flat_indices(pixel_owner >= 0, centers.owned_pixels)
    center_region = centers.center_region
    found = measure_instances(center_value, probability, pixel_owner, inside, len(center_region))

    # The rank counts, not the number of instances: a center without pixels keeps its rank.
    owns = found.area > 0
    highest_rank = torch.zeros(len(regions), dtype=torch.int64, device=pixel_owner.device)
    highest_rank.scatter_reduce_(0, center_region, centers.rank_in_region * owns, reduce="amax")
    valid = owns & (highest_rank.index_select(0, center_region) <= settings.max_instances)

    height, width = regions.map.shape[1:]
    at_peak = torch.stack([found.position // width % height, found.position % width], dim=1)
    centroids = regions.centroids.index_select(0, center_region)
    fallback = found.peak < settings.center_thresh
    target = torch.where(fallback.unsqueeze(1), centroids, at_peak)
    confidence = torch.where(fallback, found.mean, found.peak * found.mean).clamp(0, 1) * valid
    batch, num_classes = center.shape[:2]
    heatmap = CenterHeatmap(
        centers=PointSet(
            yx=target,
            images=regions.images.index_select(0, center_region),
            classes=regions.classes.index_select(0, center_region),
        ),
        shape=(batch, num_classes, height, width),
        sigma=sigma,
        valid=valid,
        tags=tags,
    )
    return InstanceTargets(
        pixel_owner=pixel_owner,
        centers=target,
        confidence=confidence,
        heatmap=heatmap,
        pixels=inside,
    )


@torch.no_grad()
def refine_labels_with_points(
    offset: Tensor,
    semantic_map: Tensor,
    image_labels: Tensor,
    points: PointSet,
    heatmap: CenterHeatmap,
) -> InstanceTargets:
    """Refine the labels of point supervision: all pixels of a class go to the nearest click.

    Args:
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        semantic_map: (B, H, W) integers: 0 background, class + 1, 255 ignore.
        image_labels: (B, C) bool, tags.
        points: P clicks.
        heatmap: of all clicks; it stays the target of the center term.
    """
    batch, num_classes = image_labels.shape
    num_regions = batch * num_classes
    # Region b * C + c = the pixels of class c in image b, where tagged.
    values = torch.arange(256, device=offset.device)
    image = torch.arange(batch, device=offset.device).unsqueeze(1)
    table = image * num_classes + values  # map value c + 1 -> region number + 1
    tagged = torch.zeros(batch, 256, dtype=torch.bool, device=offset.device)
    tagged[:, 1 : num_classes + 1] = image_labels
    table = torch.where(tagged, table, 0)
    region_map = table.gather(1, semantic_map.long().flatten(1)).view(semantic_map.shape)
    center_region = points.images * num_classes + points.classes
    centers = sort_centers(points.yx, center_region, region_map, num_regions)
    pixel_owner = assign_pixels(offset, region_map, centers)
    return InstanceTargets(
        pixel_owner=pixel_owner,
        centers=centers.yx,
        confidence=torch.ones(len(centers.yx), device=offset.device),
        heatmap=heatmap,
        pixels=flat_indices(pixel_owner >= 0, centers.owned_pixels),
    )
