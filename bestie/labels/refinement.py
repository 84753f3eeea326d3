"""Self-refinement (paper, section 3.4): network outputs + given semantic map -> refined targets.

Comes in: the network's own full-resolution outputs, without gradient, and the regions of the
*given* weak map. Goes out: targets of the same form as those of the pseudo labels. Called by the
BESTIE meta-architecture in every training step, on the training device, for the whole batch at
once.

Shapes: B images, C foreground classes, R components, N centers of the whole batch.
"""

import torch
from torch import Tensor

from bestie.labels.centers import ClusterSettings, find_centers, sort_centers
from bestie.labels.grouping import assign_pixels, gather_by_class, strongest_pixel
from bestie.labels.targets import InstanceTargets, draw_center_heatmap, draw_targets

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
    *,
    threshold: float = 0.3,
    kernel: int = 41,
    max_instances: int = 5,
    sigma: float = 6.0,
    cluster: ClusterSettings | None = None,
) -> InstanceTargets:
    """Refine the labels of image-level supervision.

    Per component of the weak map: centers as in ``grouping.find_centers``, each pixel to the
    nearest. A component is passed over if it has no center, or if a center numbered above
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
    peak, position, area, mean = strongest_pixel(value, probability, owner, len(centers.region))

    owns = area > 0
    highest_number = torch.zeros(num_regions + 1, dtype=torch.int64, device=owner.device)
    highest_number.scatter_reduce_(0, centers.region, centers.number * owns, reduce="amax")
    valid = owns & (highest_number[centers.region] <= max_instances)

    # Entry R of the padded tables stands for centers that are not used; these own no pixel.
    images = torch.cat([region_images, region_images.new_zeros(1)])[centers.region]
    classes = torch.cat([region_classes, region_classes.new_zeros(1)])[centers.region]
    centroids = torch.cat([region_centroids, region_centroids.new_zeros(1, 2)])[centers.region]
    height, width = region.shape[1:]
    at_peak = torch.stack([position // width % height, position % width], dim=1)
    fallback = peak < threshold
    target = torch.where(fallback.unsqueeze(1), centroids, at_peak)
    confidence = torch.where(fallback, mean, peak * mean).clamp(0, 1) * valid
    heatmap = draw_center_heatmap(images, classes, target, tuple(center.shape), sigma, valid=valid)
    return draw_targets(owner, target, confidence, heatmap)


@torch.no_grad()
def refine_labels_with_points(
    offset: Tensor,
    semantic_map: Tensor,
    image_labels: Tensor,
    point_images: Tensor,
    point_classes: Tensor,
    points: Tensor,
    center_heatmap: Tensor,
) -> InstanceTargets:
    """Refine the labels of point supervision: all pixels of a class go to the nearest click.

    Args:
        offset: (B, 2, H, W) float32 (dy, dx), pixels.
        semantic_map: (B, H, W) integers: 0 background, class + 1, 255 ignore.
        image_labels: (B, C) bool, tags.
        point_images: (P,) int64 in [0, B).
        point_classes: (P,) int64 in [0, C).
        points: (P, 2) int64 (y, x).
        center_heatmap: (B, C, H, W) float32 with all clicks; it stays the target of the center
            term.
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
    centers = sort_centers(points, point_images * num_classes + point_classes, num_regions)
    owner = assign_pixels(offset, region, centers)
    return draw_targets(
        owner, centers.yx, torch.ones_like(centers.yx[:, 0]).float(), center_heatmap
    )
