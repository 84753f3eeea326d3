"""SOLO's two heads: class scores and kernels on grids, and the mask features they are applied to.

After SOLOv2 (Wang et al., NeurIPS 2020), section 3. Shapes: B images, C classes, D kernel channels
(and mask features), S cells along a side of a level.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from detectron2.layers import ShapeSpec
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["INITS", "GridHead", "MaskBranch", "pyramid_channels", "with_coordinates"]

INITS = ("normal", "kaiming")


class GridHead(nn.Module):
    """Class logits and a kernel for every cell, by two towers that all levels share."""

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        grids: Sequence[int],
        channels: int = 512,
        num_convs: int = 4,
        kernel_channels: int = 256,
        norm_groups: int = 32,
        init: str = "normal",
        prior: float = 0.01,
    ):
        """
        Args:
            in_channels: of every level of the pyramid.
            num_classes: C.
            grids: S of each level.
            channels: of the towers.
            num_convs: convolutions of a tower.
            kernel_channels: D.
            norm_groups: groups of the group norm.
            init: see :func:`initialize`.
            prior: class probability of every cell at the start.
        """
        super().__init__()
        self.grids = tuple(grids)
        self.class_tower = _tower(in_channels, channels, num_convs, norm_groups)
        self.kernel_tower = _tower(in_channels + 2, channels, num_convs, norm_groups)
        self.class_predictor = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.kernel_predictor = nn.Conv2d(channels, kernel_channels, 3, padding=1)
        initialize(self, init)
        for predictor in (self.class_predictor, self.kernel_predictor):
            initialize(predictor, "normal")
        bias = self.class_predictor.bias
        assert bias is not None
        nn.init.constant_(bias, -math.log((1 - prior) / prior))

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits (B, C, S, S) and kernels (B, D, S, S) of each level.

        Args:
            features: (B, in_channels, h, w) of each level, finest first.
        """
        class_logits, kernels = [], []
        for level, side in zip(_even_sizes(features), self.grids, strict=True):
            cells = _resize(with_coordinates(level), (side, side))
            kernels.append(self.kernel_predictor(self.kernel_tower(cells)))
            class_logits.append(self.class_predictor(self.class_tower(cells[:, :-2])))
        return class_logits, kernels


class MaskBranch(nn.Module):
    """The levels of the pyramid brought to the finest one and added: the mask features."""

    def __init__(
        self,
        in_channels: int,
        *,
        num_levels: int = 4,
        channels: int = 128,
        out_channels: int = 256,
        norm_groups: int = 32,
        init: str = "normal",
    ):
        """
        Args:
            in_channels: of every level of the pyramid.
            num_levels: levels, each half the size of the one before.
            channels: of the branch.
            out_channels: D.
            norm_groups: groups of the group norm.
            init: see :func:`initialize`.
        """
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(num_levels):
            coordinates = 2 if level == num_levels - 1 else 0
            blocks = nn.Sequential()
            for index in range(max(1, level)):
                inputs = channels if index else in_channels + coordinates
                blocks.append(_tower(inputs, channels, 1, norm_groups))
                if level:
                    blocks.append(nn.Upsample(scale_factor=2, mode="bilinear"))
            self.levels.append(blocks)
        self.predictor = nn.Sequential(
            nn.Conv2d(channels, out_channels, 1, bias=False),
            nn.GroupNorm(norm_groups, out_channels),
            nn.ReLU(),
        )
        initialize(self, init)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, D, h, w), the size of the finest level.

        Args:
            features: (B, in_channels, h, w) of each level, finest first.
        """
        *finer, coarsest = features
        levels = [*finer, with_coordinates(coarsest)]
        maps = [blocks(level) for blocks, level in zip(self.levels, levels, strict=True)]
        return self.predictor(sum(maps))


def initialize(module: nn.Module, init: str) -> None:
    """Initial weights of all convolutions.

    Args:
        module: network, changed in place.
        init: "normal", standard deviation 0.01 (the paper, from pretrained backbones), or
            "kaiming" (larger steps from a random backbone: Adam with a rate near 0.001 would change
            the small weights by a tenth in every step).

    Raises:
        ValueError: another name.
    """
    if init not in INITS:
        raise ValueError(f"MODEL.SOLO.INIT must be one of {', '.join(INITS)}, got {init!r}.")
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            if init == "normal":
                nn.init.normal_(layer.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def with_coordinates(features: Tensor) -> Tensor:
    """(B, K + 2, h, w): x and y of each position, from -1 to 1 over the map, appended to maps."""
    batch, _, height, width = features.shape
    device, dtype = features.device, features.dtype
    x = torch.linspace(-1, 1, width, device=device, dtype=dtype).expand(batch, 1, height, -1)
    y = torch.linspace(-1, 1, height, device=device, dtype=dtype).unsqueeze(1)
    y = y.expand(batch, 1, -1, width)
    return torch.cat([features, x, y], dim=1)


def pyramid_channels(shapes: Mapping[str, ShapeSpec], names: Sequence[str], key: str) -> int:
    """The channels that the named levels have in common.

    Raises:
        ValueError: a level is missing, or the channels differ; names the config key.
    """
    missing = [name for name in names if name not in shapes]
    if missing:
        raise ValueError(
            f"{key}: the backbone has no {', '.join(missing)}, only {', '.join(sorted(shapes))}."
        )
    channels = {shapes[name].channels for name in names}
    if len(channels) != 1:
        raise ValueError(f"{key}: levels need one number of channels, got {sorted(channels)}.")
    return channels.pop()


def _tower(in_channels: int, channels: int, num_convs: int, norm_groups: int) -> nn.Sequential:
    layers = nn.Sequential()
    for index in range(num_convs):
        inputs = channels if index else in_channels
        layers.append(nn.Conv2d(inputs, channels, 3, padding=1, bias=False))
        layers.append(nn.GroupNorm(norm_groups, channels))
        layers.append(nn.ReLU())
    return layers


def _even_sizes(features: Sequence[Tensor]) -> list[Tensor]:
    """The finest level at half its size, the coarsest at the size of the one before."""
    first, *middle, last = features
    half = [side // 2 for side in first.shape[-2:]]
    before = middle[-1] if middle else first
    return [_resize(first, half), *middle, _resize(last, before.shape[-2:])]


def _resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)
