"""Small heatmaps and targets from literal lists."""

import torch

from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets
from bestie.regions import PointSet


def point_set(yx, classes=None, images=None) -> PointSet:
    """Points (y, x); all in image 0 and of class 0 if nothing else is said."""
    yx = torch.tensor(yx, dtype=torch.int64).view(-1, 2)
    zeros = torch.zeros(len(yx), dtype=torch.int64)
    return PointSet(
        yx=yx,
        images=zeros if images is None else torch.tensor(images),
        classes=zeros if classes is None else torch.tensor(classes),
    )


def all_tags(shape) -> torch.Tensor:
    """Every class is a tag of every image of a batch (B, C, ...)."""
    return torch.arange(shape[1]).expand(shape[0], -1)


def heatmap_of(points: PointSet, shape, sigma=1.0, valid=None, tags=None) -> CenterHeatmap:
    return CenterHeatmap(
        centers=points,
        shape=shape,
        sigma=sigma,
        valid=torch.ones(len(points), dtype=torch.bool) if valid is None else torch.tensor(valid),
        tags=all_tags(shape) if tags is None else torch.tensor(tags),
    )


def targets_of(pixel_owner, centers, confidence, heatmap) -> InstanceTargets:
    return InstanceTargets(
        pixel_owner=pixel_owner,
        centers=centers,
        confidence=confidence,
        heatmap=heatmap,
        pixels=(pixel_owner >= 0).view(-1).nonzero().squeeze(1),
    )
