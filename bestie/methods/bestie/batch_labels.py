"""Sparse labels of a batch on the training device, between the mapper and the targets.

The dicts of the mapper become one object with the labels of all images; components and points are
numbered through the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["BatchLabels", "collate_labels"]


@dataclass(frozen=True)
class BatchLabels:
    """Labels of B images, with R components and P points in total.

    Attributes:
        semantic_map (Tensor): (B, H, W) uint8: 0 background, class + 1, 255 ignore.
        image_labels (Tensor): (B, C) bool, tags.
        tags (Tensor): (B, T) int64, the same as classes, filled up with C; T the most tags of an
            image, at least 1.
        region (Tensor): (B, H, W) int64: 0 none, r + 1 = component r of the batch.
        region_images (Tensor): (R,) int64 in [0, B).
        region_classes (Tensor): (R,) int64 in [0, C).
        region_centroids (Tensor): (R, 2) int64 (y, x).
        region_accepted (Tensor): (R,) bool, trusted by semantic knowledge transfer.
        accepted_pixels (int): number of pixels in those.
        points (Tensor): (P, 2) int64 (y, x).
        point_images (Tensor): (P,) int64 in [0, B).
        point_classes (Tensor): (P,) int64 in [0, C).
    """

    semantic_map: Tensor
    image_labels: Tensor
    tags: Tensor
    region: Tensor
    region_images: Tensor
    region_classes: Tensor
    region_centroids: Tensor
    region_accepted: Tensor
    accepted_pixels: int
    points: Tensor
    point_images: Tensor
    point_classes: Tensor


def collate_labels(batched_inputs: list[dict], device: torch.device) -> BatchLabels:
    """Number components and points through the batch and move the labels to ``device``.

    Everything is counted on the CPU before it moves, so that nothing on the device has to be waited
    for.

    Args:
        batched_inputs: training dicts of ``BESTIEMapper``, all of one size.
        device: where the targets will be drawn.
    """
    regions, total, accepted_pixels = [], 0, 0
    for sample in batched_inputs:
        components = sample["components"].long()
        number = len(sample["component_classes"])
        area = torch.bincount(components.view(-1), minlength=number + 1)[1:]
        accepted_pixels += int(area[sample["component_accepted"]].sum())
        regions.append(torch.where(components > 0, components + total, 0))
        total += number

    tags = [sample["image_labels"].nonzero().squeeze(1) for sample in batched_inputs]
    num_classes = len(batched_inputs[0]["image_labels"])
    longest = max(1, *map(len, tags))

    def join(key: str) -> Tensor:
        return torch.cat([sample[key] for sample in batched_inputs]).to(device, non_blocking=True)

    def stack(tensors: list[Tensor]) -> Tensor:
        return torch.stack(tensors).to(device, non_blocking=True)

    def image_of_each(key: str) -> Tensor:
        sizes = torch.tensor([len(sample[key]) for sample in batched_inputs])
        return torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(
            device, non_blocking=True
        )

    return BatchLabels(
        semantic_map=stack([sample["semantic_map"] for sample in batched_inputs]),
        image_labels=stack([sample["image_labels"] for sample in batched_inputs]),
        tags=stack(
            [F.pad(of_image, (0, longest - len(of_image)), value=num_classes) for of_image in tags]
        ),
        region=stack(regions),
        region_images=image_of_each("component_classes"),
        region_classes=join("component_classes"),
        region_centroids=join("component_centroids"),
        region_accepted=join("component_accepted"),
        accepted_pixels=accepted_pixels,
        points=join("points").long(),
        point_images=image_of_each("point_classes"),
        point_classes=join("point_classes"),
    )
