"""Regions and points of a batch of images: tensors that belong together and move together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PointSet", "Regions"]


@dataclass(frozen=True, kw_only=True)
class PointSet:
    """P points on B images, all on one device.

    Attributes:
        yx (Tensor): (P, 2) int64 (y, x), pixel indices.
        images (Tensor): (P,) int64 in [0, B), the image of each point.
        classes (Tensor): (P,) int64 in [0, C), foreground classes.
    """

    yx: Tensor
    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.yx)

    def to(self, device: torch.device | str) -> "PointSet":
        """The same points on a device; the copy does not wait where the memory is pinned."""
        return PointSet(
            yx=self.yx.to(device, non_blocking=True),
            images=self.images.to(device, non_blocking=True),
            classes=self.classes.to(device, non_blocking=True),
        )


@dataclass(frozen=True, kw_only=True)
class Regions:
    """R regions of B images, numbered through the batch, all on one device.

    A region is a set of pixels of one class in one image, as a rule a connected component.

    Attributes:
        map (Tensor): (B, H, W) int64: 0 outside all regions, r + 1 = pixel of region r.
        images (Tensor): (R,) int64 in [0, B), ascending.
        classes (Tensor): (R,) int64 in [0, C), foreground classes.
        centroids (Tensor): (R, 2) int64 (y, x), pixel indices.
        confidence (Tensor): (R,) float32 in [0, 1], how far it is trusted as one instance; 0: not.
    """

    map: Tensor
    images: Tensor
    classes: Tensor
    centroids: Tensor
    confidence: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def accepted(self) -> Tensor:
        """(R,) bool, trusted as one instance."""
        return self.confidence > 0

    @classmethod
    def join(
        cls,
        *,
        maps: Sequence[Tensor],
        classes: Sequence[Tensor],
        centroids: Sequence[Tensor],
        confidence: Sequence[Tensor],
    ) -> "Regions":
        """Number the regions of single images through the batch.

        Args:
            maps: B maps (H, W) of integers, 0 outside, k + 1 = region k of this image.
            classes: B times (K,) int64.
            centroids: B times (K, 2) int64 (y, x).
            confidence: B times (K,) float32.
        """
        joined, total = [], 0
        for region_map, of_image in zip(maps, classes, strict=True):
            region_map = region_map.long()
            joined.append(torch.where(region_map > 0, region_map + total, 0))
            total += len(of_image)
        numbers = torch.tensor([len(of_image) for of_image in classes])
        return cls(
            map=torch.stack(joined),
            images=torch.repeat_interleave(torch.arange(len(numbers)), numbers),
            classes=torch.cat(list(classes)),
            centroids=torch.cat(list(centroids)),
            confidence=torch.cat(list(confidence)),
        )

    def centroid_points(self) -> PointSet:
        """One point per region, its centroid."""
        return PointSet(yx=self.centroids, images=self.images, classes=self.classes)

    def to(self, device: torch.device | str) -> "Regions":
        """The same regions on a device; the copy does not wait where the memory is pinned."""
        return Regions(
            map=self.map.to(device, non_blocking=True),
            images=self.images.to(device, non_blocking=True),
            classes=self.classes.to(device, non_blocking=True),
            centroids=self.centroids.to(device, non_blocking=True),
            confidence=self.confidence.to(device, non_blocking=True),
        )
