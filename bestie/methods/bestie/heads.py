"""Heads of BESTIE: feature maps to class logits, center heatmaps and offset maps.

Feature maps of the backbone become three maps at the requested size. A head is selected by name
(MODEL.BESTIE.HEAD) from ``BESTIE_HEADS_REGISTRY``.

Shapes: B images, C foreground classes, (H, W) the output size, (h, w) the head's own size.

A head of your own: register a class with ``in_features`` (names of the maps that it reads),
``layers`` and ``forward`` as below, and ``offset_predictor`` for MODEL.BESTIE.OFFSET_LR_FACTOR.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fvcore.nn.weight_init as weight_init
import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ASPP, Conv2d, DepthwiseSeparableConv2d, ShapeSpec
from detectron2.projects.deeplab import DeepLabV3PlusHead
from detectron2.utils.registry import Registry
from torch import Tensor, nn
from torch.nn import functional as F

from bestie.backbones.norm import resolve_norm, set_momentum

__all__ = [
    "BESTIE_HEADS_REGISTRY",
    "HRNetHead",
    "PanopticDeepLabHead",
    "build_bestie_head",
    "read_features",
]

BESTIE_HEADS_REGISTRY = Registry("BESTIE_HEADS")
BESTIE_HEADS_REGISTRY.__doc__ = """
Heads of BESTIE. Called as ``head(cfg, input_shape)``; the object is called as
``head(features, output_size=(H, W))`` and returns (semantic_logits, center, offset).
"""

# Standard deviation of the last convolutions' weights: centers and offsets start near 0, the
# classes nearly even.
PREDICTOR_STD = 0.001

Maps = tuple[Tensor, Tensor, Tensor]


def build_bestie_head(cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> nn.Module:
    """The head named by MODEL.BESTIE.HEAD on a backbone with these feature maps.

    Raises:
        ValueError: the head is unknown, or reads a map that the backbone does not give.
    """
    name, head = cfg.MODEL.BESTIE.HEAD, _find_head(cfg)
    missing = [feature for feature in head.in_features if feature not in input_shape]
    if missing:
        raise ValueError(
            f"MODEL.BESTIE.HEAD {name} reads the feature maps {', '.join(head.in_features)}, "
            f"MODEL.BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME} gives {', '.join(input_shape)}."
        )
    built = head(cfg, input_shape)
    if cfg.MODEL.BESTIE.HEAD_STD:
        _initialize(built, cfg.MODEL.BESTIE.HEAD_STD)
    set_momentum(built, cfg.MODEL.TIMM.BN_MOMENTUM)
    return built


def read_features(cfg: CfgNode) -> Sequence[str]:
    """Names of the feature maps that the head named by MODEL.BESTIE.HEAD reads.

    Raises:
        ValueError: the head is unknown.
    """
    return _find_head(cfg).in_features


def _find_head(cfg: CfgNode) -> Any:
    """A registered class; its ``in_features`` names the feature maps that it reads."""
    name = cfg.MODEL.BESTIE.HEAD
    if name not in BESTIE_HEADS_REGISTRY:
        known = ", ".join(sorted(found for found, _ in BESTIE_HEADS_REGISTRY))
        raise ValueError(f"MODEL.BESTIE.HEAD must be one of {known}, got {name!r}.")
    return BESTIE_HEADS_REGISTRY.get(name)


@BESTIE_HEADS_REGISTRY.register()
class HRNetHead(nn.Module):
    """Three heads on the 1/4 map: 3x3 convolution, ReLU, 1x1 convolution; bilinear upsampling."""

    in_features = ("res2",)

    @configurable
    def __init__(
        self, input_shape: Mapping[str, ShapeSpec], *, num_classes: int, head_channels: int = 256
    ):
        """
        Args:
            input_shape: channels and stride of each feature map.
            num_classes: C.
            head_channels: channels of the hidden convolutions.
        """
        super().__init__()
        channels = input_shape["res2"].channels
        self.semantic = _conv_head(channels, head_channels, num_classes + 1)
        self.center = _conv_head(channels, head_channels, num_classes)
        self.offset = _conv_head(channels, head_channels, 2)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict:
        return {
            "input_shape": input_shape,
            "num_classes": _num_classes(cfg),
            "head_channels": cfg.MODEL.BESTIE.HEAD_CHANNELS,
        }

    @property
    def offset_predictor(self) -> nn.Module:
        """The layer that gives the offsets."""
        return self.offset[-1]

    def forward(self, features: Mapping[str, Tensor], output_size: Sequence[int]) -> Maps:
        """Maps at ``output_size`` (H, W).

        Returns:
            Class logits (B, C + 1, H, W), background first; center (B, C, H, W); offset (B, 2, H,
            W), (dy, dx) in pixels of the network's input. float32, also under mixed precision.
        """
        return _resize(self.layers(features), output_size, align_corners=False)

    def layers(self, features: Mapping[str, Tensor]) -> Maps:
        """The same maps before upsampling, (h, w) a quarter of the input."""
        feature = features["res2"]
        return self.semantic(feature), self.center(feature), self.offset(feature)


@BESTIE_HEADS_REGISTRY.register()
class PanopticDeepLabHead(nn.Module):
    """Panoptic-DeepLab's two decoders and three heads, with one center heatmap per class.

    Cheng et al., "Panoptic-DeepLab", CVPR 2020: the semantic decoder (there 256 channels) feeds the
    class logits, the instance decoder (128 channels) the center heatmaps and the offsets.
    """

    in_features = ("res2", "res3", "res4", "res5")

    @configurable
    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        num_classes: int,
        decoder_channels: Sequence[int] = (256, 128),
        norm: str | Callable = "BN",
        aspp_dropout: float = 0.1,
    ):
        """
        Args:
            input_shape: channels and stride of each feature map, from high to low resolution.
            num_classes: C.
            decoder_channels: of the semantic and of the instance decoder, multiples of 8.
            norm: normalisation as Detectron2's ``get_norm`` takes it.
            aspp_dropout: dropout after the pyramid pooling, in training.
        """
        super().__init__()
        shapes = {name: input_shape[name] for name in self.in_features}
        decoder: dict[str, Any] = {
            "input_shape": shapes,
            "norm": norm,
            "aspp_dropout": aspp_dropout,
        }
        semantic, instance = decoder_channels
        self.semantic_decoder = _Decoder(channels=semantic, **decoder)
        self.instance_decoder = _Decoder(channels=instance, **decoder)
        self.semantic_head = _separable_conv(semantic, semantic, norm)
        self.center_head = _separable_conv(instance, instance, norm)
        self.offset_head = _separable_conv(instance, 32, norm)
        self.semantic_predictor = _predictor(semantic, num_classes + 1)
        self.center_predictor = _predictor(instance, num_classes)
        self.offset_predictor = _predictor(32, 2)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict:
        return {
            "input_shape": input_shape,
            "num_classes": _num_classes(cfg),
            "decoder_channels": cfg.MODEL.BESTIE.DECODER_CHANNELS,
            "norm": resolve_norm(cfg.MODEL.TIMM.NORM, cfg.MODEL.DEVICE),
            "aspp_dropout": cfg.MODEL.BESTIE.ASPP_DROPOUT,
        }

    def forward(self, features: Mapping[str, Tensor], output_size: Sequence[int]) -> Maps:
        """Maps as those of :class:`HRNetHead`, but upsampled with aligned corners."""
        return _resize(self.layers(features), output_size, align_corners=True)

    def layers(self, features: Mapping[str, Tensor]) -> Maps:
        """The same maps before upsampling, (h, w) a quarter of the input."""
        semantic = self.semantic_head(self.semantic_decoder.layers(features))
        instance = self.instance_decoder.layers(features)
        return (
            self.semantic_predictor(semantic),
            self.center_predictor(self.center_head(instance)),
            self.offset_predictor(self.offset_head(instance)),
        )


class _Decoder(DeepLabV3PlusHead):
    """Detectron2's decoder as the reference networks have it.

    Plain instead of depthwise separable convolutions in the pyramid pooling, upsampling with
    aligned corners, and the upsampled map before the low-level one where the two are joined.
    """

    def __init__(
        self,
        *,
        input_shape: Mapping[str, ShapeSpec],
        channels: int,
        norm: str | Callable,
        aspp_dropout: float,
    ):
        deepest = input_shape["res5"]
        # Half of the dilations for stride 32: the same reach in the image.
        dilations = [6 * 16 // deepest.stride * step for step in (1, 2, 3)]
        super().__init__(
            dict(input_shape),
            project_channels=[channels // 8, channels // 4, channels // 2],
            aspp_dilations=dilations,
            aspp_dropout=aspp_dropout,
            decoder_channels=[channels] * 3 + [256],
            common_stride=4,
            norm=norm,
            train_size=None,
            use_depthwise_separable_conv=True,
        )
        self.decoder["res5"]["project_conv"] = ASPP(
            deepest.channels, 256, dilations, norm=norm, activation=F.relu, dropout=aspp_dropout
        )

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        decoded = self.decoder["res5"]["project_conv"](features["res5"])
        for name in ("res4", "res3", "res2"):
            stage = self.decoder[name]
            projected = stage["project_conv"](features[name])
            size = projected.shape[-2:]
            decoded = F.interpolate(decoded, size=size, mode="bilinear", align_corners=True)
            decoded = stage["fuse_conv"](torch.cat([decoded, projected], dim=1))
        return decoded


def _initialize(head: nn.Module, std: float) -> None:
    """Draw the weights of all convolutions from N(0, std), as the reference implementation."""
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _num_classes(cfg: CfgNode) -> int:
    num_classes = cfg.MODEL.BESTIE.NUM_CLASSES
    if num_classes < 1:
        raise ValueError(f"MODEL.BESTIE.NUM_CLASSES must be 1 or more here, got {num_classes}.")
    return num_classes


def _conv_head(in_channels: int, hidden_channels: int, out_channels: int) -> nn.Sequential:
    hidden = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
    weight_init.c2_msra_fill(hidden)
    predictor = _predictor(hidden_channels, out_channels)
    return nn.Sequential(hidden, nn.ReLU(inplace=True), predictor)


def _separable_conv(in_channels: int, out_channels: int, norm: str | Callable) -> nn.Module:
    return DepthwiseSeparableConv2d(
        in_channels,
        out_channels,
        kernel_size=5,
        padding=2,
        norm1=norm,
        activation1=F.relu,
        norm2=norm,
        activation2=F.relu,
    )


def _predictor(in_channels: int, out_channels: int) -> Conv2d:
    predictor = Conv2d(in_channels, out_channels, kernel_size=1)
    nn.init.normal_(predictor.weight, std=PREDICTOR_STD)
    nn.init.zeros_(predictor.bias)
    return predictor


def _resize(maps: Maps, output_size: Sequence[int], align_corners: bool) -> Maps:
    semantic, center, offset = (
        F.interpolate(
            map_.float(), tuple(output_size), mode="bilinear", align_corners=align_corners
        )
        for map_ in maps
    )
    return semantic, center, offset
