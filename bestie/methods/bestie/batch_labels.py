"""Sparse labels of a batch on the training device, between the mapper and the targets.

The mapper's dicts hold one image each; here components and points are numbered through the batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bestie.regions import Components, PointSet, Regions

__all__ = ["BatchLabels", "collate_labels", "component_tensors"]


@dataclass(frozen=True, kw_only=True)
class BatchLabels:
    """Labels of B images, with R components and P points in total.

    Attributes:
        semantic_map (Tensor): (B, H, W) uint8: 0 background, class + 1, 255 ignore.
        image_labels (Tensor): (B, C) bool, tags.
        tags (Tensor): (B, T) int64, the same as classes, filled up with C; T the most tags of one
            image, at least 1.
        regions (Regions): R components of the weak maps; those that semantic knowledge transfer
            trusts are accepted.
        accepted_pixels (int): number of pixels in the accepted ones.
        points (PointSet): P cues or clicks.
    """

    semantic_map: Tensor
    image_labels: Tensor
    tags: Tensor
    regions: Regions
    accepted_pixels: int
    points: PointSet

    def to(self, device: torch.device | str) -> "BatchLabels":
        """The same labels on a device; the copy does not wait where the memory is pinned."""
        return BatchLabels(
            semantic_map=self.semantic_map.to(device, non_blocking=True),
            image_labels=self.image_labels.to(device, non_blocking=True),
            tags=self.tags.to(device, non_blocking=True),
            regions=self.regions.to(device),
            accepted_pixels=self.accepted_pixels,
            points=self.points.to(device),
        )


def component_tensors(components: Components) -> dict[str, Tensor]:
    """The components of an image as they are in a training dict of ``BESTIEMapper``."""
    # Half the bytes on their way out of the worker; a huge crop may hold more of them.
    dtype = np.int16 if len(components) < 2**15 else np.int32
    return {
        "components": torch.from_numpy(components.map.astype(dtype)),
        "component_classes": torch.from_numpy(components.classes),
        "component_centroids": torch.from_numpy(components.centroids),
    }


def collate_labels(batched_inputs: list[dict], device: torch.device) -> BatchLabels:
    """Number components and points through the batch and move the labels to ``device``.

    Everything is counted on the CPU before it moves: a count on a GPU would have to be waited for.

    Args:
        batched_inputs: training dicts of ``BESTIEMapper``, all of one size.
        device: where the targets will be drawn.
    """

    def each(key: str) -> list[Tensor]:
        return [sample[key] for sample in batched_inputs]

    regions = Regions.join(
        maps=each("components"),
        classes=each("component_classes"),
        centroids=each("component_centroids"),
        confidence=each("component_confidence"),
    )
    areas = torch.bincount(regions.map.view(-1), minlength=len(regions) + 1)[1:]
    image_labels = torch.stack(each("image_labels"))
    tags = [labels.nonzero().squeeze(1) for labels in image_labels]
    longest = max(1, *map(len, tags))
    num_points = torch.tensor([len(classes) for classes in each("point_classes")])
    return BatchLabels(
        semantic_map=torch.stack(each("semantic_map")),
        image_labels=image_labels,
        tags=torch.stack(
            [
                F.pad(of_image, (0, longest - len(of_image)), value=image_labels.shape[1])
                for of_image in tags
            ]
        ),
        regions=regions,
        accepted_pixels=int(areas[regions.accepted].sum()),
        points=PointSet(
            yx=torch.cat(each("points")).long(),
            images=torch.repeat_interleave(torch.arange(len(num_points)), num_points),
            classes=torch.cat(each("point_classes")),
        ),
    ).to(device)
