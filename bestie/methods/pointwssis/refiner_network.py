"""MaskRefineNet's network: a U-Net on a backbone of timm (PointWSSIS, section 3.2).

Shapes: N crops, S side of a crop.
"""

from typing import cast

import timm
import torch
from timm.layers import convert_sync_batchnorm
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional as F

from bestie.backbones.initial_weights import load_initial_weights

__all__ = ["ASPP", "RefinerNetwork", "load_encoder_weights"]


class RefinerNetwork(nn.Module):
    """Encoder of five maps (the stem and four stages), ASPP on the last, four decoder steps."""

    def __init__(
        self,
        backbone: str = "resnet101",
        *,
        in_channels: int,
        aspp_channels: int = 512,
        dilations: tuple[int, ...] = (3, 6, 9),
        decoder_channels: tuple[tuple[int, int], ...] = (
            (512, 256),
            (256, 128),
            (128, 64),
            (64, 64),
        ),
        norm: str = "BN",
    ):
        """
        Args:
            backbone: name of a timm model with maps at strides 2, 4, 8, 16 and 32.
            in_channels: image, point planes and mask; the first convolution takes them all.
            aspp_channels: of each branch of the ASPP, and of its output.
            dilations: of its 3 x 3 convolutions.
            decoder_channels: middle and output channels of each decoder step, coarsest first.
            norm: "BN", or "SyncBN" for torch's synchronized batch norm.

        Raises:
            ValueError: timm has no such model, or it has no such maps.
        """
        super().__init__()
        self.encoder = _create_encoder(backbone, in_channels)
        *skips, deepest = cast(FeatureInfo, self.encoder.feature_info).channels()
        self.aspp = ASPP(deepest, aspp_channels, dilations)
        self.decoder = nn.ModuleList()
        inputs = aspp_channels
        for skip, (middle, outputs) in zip(reversed(skips), decoder_channels, strict=True):
            step = nn.Sequential(_conv(inputs + skip, middle, 1), _conv(middle, outputs, 3))
            self.decoder.append(step)
            inputs = outputs
        self.predictor = nn.Conv2d(inputs, 2, 1)
        nn.init.normal_(self.predictor.weight, std=0.001)
        bias = self.predictor.bias
        assert bias is not None
        nn.init.zeros_(bias)
        if norm == "SyncBN":
            self.encoder, self.aspp, self.decoder = (
                convert_sync_batchnorm(part) for part in (self.encoder, self.aspp, self.decoder)
            )

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (N, 2, S, S), background and foreground, of crops (N, in_channels, S, S)."""
        *skips, deepest = self.encoder(crops)
        maps = self.aspp(deepest)
        for skip, step in zip(reversed(skips), self.decoder, strict=True):
            maps = step(torch.cat([_resize(maps, skip.shape[-2:]), skip], dim=1))
        return _resize(self.predictor(maps), crops.shape[-2:])


def load_encoder_weights(encoder: nn.Module, name: str, weights: str) -> None:
    """Fill an encoder with ImageNet weights, all but its first layer, which sees more than images.

    Args:
        encoder: of :class:`RefinerNetwork`.
        name: timm's name of it.
        weights: "timm", "package:NAME" or a file.

    Raises:
        ValueError: they are not available, or do not fit.
    """
    first = frozenset({next(iter(encoder.state_dict()))})
    load_initial_weights(encoder, weights, name, "MODEL.REFINER.WEIGHTS", other=first)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: the image's mean, a 1 x 1 and dilated 3 x 3 convolutions."""

    def __init__(self, in_channels: int, channels: int, dilations: tuple[int, ...]):
        """
        Args:
            in_channels: of the input.
            channels: of each branch and of the output.
            dilations: of the 3 x 3 convolutions.
        """
        super().__init__()
        self.pooled = _conv(in_channels, channels, 1)
        self.branches = nn.ModuleList([_conv(in_channels, channels, 1)])
        for dilation in dilations:
            self.branches.append(_conv(in_channels, channels, 3, dilation))
        self.project = _conv(channels * (len(dilations) + 2), channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, channels, h, w)."""
        pooled = self.pooled(maps.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *maps.shape[2:])
        return self.project(torch.cat([pooled, *(branch(maps) for branch in self.branches)], 1))


def _conv(in_channels: int, channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def _create_encoder(name: str, in_channels: int) -> nn.Module:
    if not timm.is_model(name):
        raise ValueError(f"MODEL.REFINER.BACKBONE: timm has no model {name!r}.")
    try:
        encoder = timm.create_model(name, features_only=True, in_chans=in_channels)
        strides = cast(FeatureInfo, encoder.feature_info).reduction()
    except (AssertionError, IndexError, NotImplementedError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"MODEL.REFINER.BACKBONE {name} gives no feature maps ({error})."
        ) from error
    if strides != [2, 4, 8, 16, 32]:
        raise ValueError(
            f"MODEL.REFINER.BACKBONE {name} gives maps of strides {strides}, expected are "
            "2, 4, 8, 16 and 32."
        )
    return encoder


def _resize(maps: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)
