"""The smallest SOLO: a pyramid by pooling, narrow heads, two classes; and images to feed it."""

import torch
from detectron2.layers import ShapeSpec
from detectron2.structures import BitMasks, Boxes, Instances
from torch import nn
from torch.nn import functional as F

from bestie.methods.solo.heads import GridHead, MaskBranch
from bestie.methods.solo.inference import RankSettings

LEVELS = ("p2", "p3", "p4")
CLASSES = 2


class PooledPyramid(nn.Module):
    size_divisibility = 16

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 1)

    def forward(self, images):
        maps = self.layer(images)
        return {name: F.avg_pool2d(maps, 4 * 2**i) for i, name in enumerate(LEVELS)}

    def output_shape(self):
        return {name: ShapeSpec(channels=8, stride=4 * 2**i) for i, name in enumerate(LEVELS)}


def tiny_solo(kind, **options):
    torch.manual_seed(0)
    narrow = {"norm_groups": 4, "init": "kaiming"}
    grids = options.pop("grids", (6, 4, 2))
    return kind(
        backbone=PooledPyramid(),
        grid_head=GridHead(
            8,
            num_classes=CLASSES,
            grids=grids,
            channels=8,
            num_convs=1,
            kernel_channels=8,
            prior=0.2,
            **narrow,
        ),
        mask_branch=MaskBranch(8, num_levels=3, channels=8, out_channels=8, **narrow),
        num_classes=CLASSES,
        grids=grids,
        ranges=[(1, 16), (8, 32), (16, 256)],
        in_features=LEVELS,
        mask_features=LEVELS,
        pixel_mean=[100.0] * 3,
        pixel_std=[50.0] * 3,
        inference=options.pop("inference", RankSettings(strides=(1, 1, 1))),
        **options,
    )


def image_of(seed, height=40, width=56):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def objects_of(boxes, classes, size=(40, 56)):
    """Boxes (y0, x0, y1, x1), ends excluded, as Instances with rectangular masks."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    instances = Instances(size)
    corners = [(left, top, right, bottom) for top, left, bottom, right in boxes]
    instances.gt_boxes = Boxes(torch.tensor(corners, dtype=torch.float32).view(-1, 4))
    instances.gt_classes = torch.as_tensor(classes, dtype=torch.int64)
    instances.gt_masks = BitMasks(masks)
    return instances
