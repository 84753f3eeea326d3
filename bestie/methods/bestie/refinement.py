"""Self-refinement (paper, section 3.4): network outputs + given semantic map -> refined targets.

Runs in every training step, on the training device, for the whole batch at once. From the network's
own full-resolution outputs, without gradient, and the regions of the *given* weak map, it makes
targets of the same form as those of the pseudo labels.

Shapes: B images, C foreground classes, R components, N centers of the whole batch.
"""

import torch
from torch import Tensor

from bestie.methods.bestie.centers import ClusterSettings, find_centers, flat_indices, sort_centers
from bestie.methods.bestie.grouping import assign_pixels, gather_by_class, strongest_pixel
from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets

__all__ = ["refine_labels", "refine_labels_with_points"]


@torch.no_grad()
def refine_labels(
    semantic_log_probability: Tensor,
    center: Tensor,
    offset: Tensor,
    region: Tensor,
    region_images: Tensor,
    region_classes: Tensor,
    region_centroids: Tensor,
    tags: Tensor,
    *,
    threshold: float = 0.3,
    kernel: int = 41,
    max_instances: int = 5,
    sigma: float = 6.0,
    cluster: ClusterSettings | None = None,
) -> InstanceTargets:
    """Refine the labels of image-level supervision.

    Per component of the weak map: centers as in ``centers.find_centers``, each pixel to the
    nearest. A component is skipped if it has no center, or if a center numbered above
    ``max_instances`` owns a pixel. Each instance: v = highest center value on its pixels, s = their
    mean class probability. Its center is where v is and its confidence v x s; if v < ``threshold``,
    its center is the component's centroid and its confidence s.

    Args:
        semantic_log_probability: (B, C + 1, H, W) float32, log-softmax over all channels.
        center: (B, C, H, W) float32, raw regression.
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        region: (B, H, W) int64: 0 none, r + 1 = component r of the batch (tagged classes only).
        region_images: (R,) int64 in [0, B).
        region_classes: (R,) int64 in [0, C).
        region_centroids: (R, 2) int64 (y, x).
        tags: (B, T) int64 classes of each image, filled up with C.
        threshold: a local maximum of the center map lies above it.
        kernel: side of the window of the local maxima, pixels, odd.
        max_instances: see above.
        sigma: of the drawn Gaussians, pixels.
        cluster: center clustering; None switches it off.
    """
    num_regions = len(region_classes)
    value = gather_by_class(center, region, region_classes)
    centers, value = find_centers(
        value, offset, region, num_regions, threshold=threshold, kernel=kernel, cluster=cluster
    )
    owner = assign_pixels(offset, region, centers)
    probability = gather_by_class(semantic_log_probability, region, region_classes, first=1).exp()
    inside = flat_indices(owner >= 0, centers.owned_pixels)
    peak, position, area, mean = strongest_pixel(
        value, probability, owner, inside, len(centers.region)
    )

    owns = area > 0
    highest_number = torch.zeros(num_regions, dtype=torch.int64, device=owner.device)
    highest_number.scatter_reduce_(0, centers.region, centers.number * owns, reduce="amax")
    valid = owns & (highest_number.index_select(0, centers.region) <= max_instances)

    height, width = region.shape[1:]
    at_peak = torch.stack([position // width % height, position % width], dim=1)
    centroids = region_centroids.index_select(0, centers.region)
    fallback = peak < threshold
    target = torch.where(fallback.unsqueeze(1), centroids, at_peak)
    confidence = torch.where(fallback, mean, peak * mean).clamp(0, 1) * valid
    heatmap = CenterHeatmap(
        region_images.index_select(0, centers.region),
        region_classes.index_select(0, centers.region),
        target,
        tuple(center.shape),
        sigma,
        valid,
        tags,
    )
    return InstanceTargets(owner, target, confidence, heatmap, inside)


@torch.no_grad()
def refine_labels_with_points(
    offset: Tensor,
    semantic_map: Tensor,
    image_labels: Tensor,
    point_images: Tensor,
    point_classes: Tensor,
    points: Tensor,
    heatmap: CenterHeatmap,
) -> InstanceTargets:
    """Refine the labels of point supervision: all pixels of a class go to the nearest click.

    Args:
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        semantic_map: (B, H, W) integers: 0 background, class + 1, 255 ignore.
        image_labels: (B, C) bool, tags.
        point_images: (P,) int64 in [0, B).
        point_classes: (P,) int64 in [0, C).
        points: (P, 2) int64 (y, x).
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
    region = table.gather(1, semantic_map.long().flatten(1)).view(semantic_map.shape)
    owner = point_images * num_classes + point_classes
    centers = sort_centers(points, owner, region, num_regions)
    owner = assign_pixels(offset, region, centers)
    inside = flat_indices(owner >= 0, centers.owned_pixels)
    confidence = torch.ones(len(centers.yx), device=offset.device)
    return InstanceTargets(owner, centers.yx, confidence, heatmap, inside)
