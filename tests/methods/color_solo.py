"""A SOLO that reads the scene of ``tests.training.color_scene``: no training, no luck.

A cell inside an object has the kernel of the object's disc; which of its pixels are the object's is
read from their colors, and so is the class.
"""

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn
from torch.nn import functional as F

from bestie.methods.solo.inference import RankSettings
from tests.training.color_scene import LONGER, OBJECTS

GRIDS = (40, 24)
LEVELS = ("p2", "p3")
# Side of the padded image of the scene with a longer side of 500: multiples of 8.
PADDED = (376, 504)


class ColorPyramid(Backbone):
    """The image itself at a quarter and an eighth of its size; it remembers the image's size."""

    size_divisibility = 8
    seen = None

    def forward(self, images):
        self.seen = tuple(images.shape[-2:])
        return {name: F.avg_pool2d(images, 4 * 2**i) for i, name in enumerate(LEVELS)}

    def output_shape(self):
        return {name: ShapeSpec(channels=3, stride=4 * 2**i) for i, name in enumerate(LEVELS)}


class ColorGrid(nn.Module):
    """Class logits from the colors of a cell, and the kernel of the disc that holds its middle."""

    def forward(self, features):
        class_logits, kernels = [], []
        for level, side in zip(features, GRIDS, strict=True):
            cells = F.interpolate(level, (side, side), mode="bilinear", align_corners=False)
            class_logits.append(20 * (cells[:, :2] - 0.5))
            kernels.append(disc_kernels(side).expand(len(level), -1, -1, -1))
        return class_logits, kernels


class ColorFeatures(nn.Module):
    """(B, 6, h, w): red, green, 1, y, x and y^2 + x^2, lengths in pixels of the scene / 100."""

    def forward(self, features):
        colors = features[0]
        y, x = (torch.arange(n) * 0.04 + 0.02 for n in colors.shape[-2:])
        y, x = torch.broadcast_tensors(y[:, None], x[None])
        places = torch.stack([torch.ones_like(y), y, x, y**2 + x**2])
        return torch.cat([colors[:, :2], places.expand(len(colors), -1, -1, -1)], dim=1)


def disc_kernels(side):
    """(1, 6, S, S): 0 outside all discs, which gives no mask."""
    kernels = torch.zeros(1, 6, side, side)
    for class_id, center_y, center_x, radius in OBJECTS:
        cy, cx, r = center_y / 100, center_x / 100, radius / 100
        y = (torch.arange(side) + 0.5) / side * PADDED[0] / 100
        x = (torch.arange(side) + 0.5) / side * PADDED[1] / 100
        inside = (y[:, None] - cy) ** 2 + (x[None] - cx) ** 2 < r**2
        # Inside a slightly larger disc the color decides.
        kernel = torch.zeros(6)
        kernel[class_id] = 30.0
        kernel[2:] = 300 * torch.tensor([(1.03 * r) ** 2 - cy**2 - cx**2, 2 * cy, 2 * cx, -1.0])
        kernel[2] -= 15.0
        kernels[0, :, inside] = kernel[:, None]
    return kernels


def color_solo(kind, **options):
    """SOLO or PromptedSOLO (``kind``) for the scene at a longer side of 500."""
    assert LONGER == 500
    return kind(
        backbone=ColorPyramid(),
        grid_head=ColorGrid(),
        mask_branch=ColorFeatures(),
        num_classes=2,
        grids=GRIDS,
        ranges=[(1, 60), (60, 2048)],
        in_features=LEVELS,
        mask_features=LEVELS,
        pixel_mean=[0.0] * 3,
        pixel_std=[255.0] * 3,
        inference=RankSettings(strides=(8, 8), nms="mask"),
        **options,
    ).eval()


class ColorRefiner(nn.Module):
    """Foreground where a crop (3 colors, point planes, mask) is red or green and rough."""

    def forward(self, crops):
        foreground = 20 * (crops[:, :2].amax(1) + crops[:, -1] - 1.5)
        return torch.stack([-foreground, foreground], dim=1)
