"""Networks of timm as Detectron2 backbones.

Normalized images (B, 3, H, W) become a dict of feature maps, from "res2" at a quarter of the image
down to "res5". MODEL.BACKBONE.NAME ``build_timm_backbone``, ``build_timm_fpn_backbone`` or
``build_timm_hrfpn_backbone`` selects one.
"""

import difflib
from collections.abc import Sequence
from typing import Any, cast

import timm
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, META_ARCH_REGISTRY, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from timm.layers import convert_sync_batchnorm
from timm.models import EfficientNetFeatures, FeatureInfo
from timm.models.hrnet import HighResolutionNetFeatures
from torch import Tensor, nn
from torch.nn import functional as F

from bestie.backbones.initial_weights import load_initial_weights
from bestie.backbones.norm import resolve_norm, set_momentum

__all__ = [
    "PooledPyramid",
    "TimmBackbone",
    "build_timm_backbone",
    "build_timm_fpn_backbone",
    "build_timm_hrfpn_backbone",
]

FEATURES = ("res2", "res3", "res4", "res5")


class TimmBackbone(Backbone):
    """The last four feature maps of a timm network, or some of them.

    Layers that feed none of the chosen maps are left out, so that every parameter gets a gradient
    (distributed training insists on it).
    """

    def __init__(
        self,
        name: str,
        *,
        out_features: Sequence[str] = FEATURES,
        output_stride: int = 32,
        in_channels: int = 3,
        norm: str = "BN",
    ):
        """
        Args:
            name: of a timm model with maps at strides 4, 8, 16 and 32.
            out_features: which of "res2".."res5" to give.
            output_stride: of "res5", input pixels; 16 dilates the last stage (torchvision's
                convention: its first block keeps the dilation of the stage before).
            in_channels: channels of the image.
            norm: "BN", or "SyncBN" for torch's synchronized batch norm.

        Raises:
            ValueError: unknown model, or one that has no such maps.
        """
        super().__init__()
        assert out_features and set(out_features) <= set(FEATURES), out_features
        self._out_features = [feature for feature in FEATURES if feature in out_features]
        self.network = _create_network(name, self._out_features, output_stride, in_channels)
        if norm == "SyncBN":
            self.network = convert_sync_batchnorm(self.network)
        info = cast(FeatureInfo, self.network.feature_info)
        self._out_feature_channels = dict(zip(self._out_features, info.channels(), strict=True))
        self._out_feature_strides = dict(zip(self._out_features, info.reduction(), strict=True))
        # HRNet adds maps of different strides: their sides must fit.
        is_hrnet = isinstance(self.network, HighResolutionNetFeatures)
        self._size_divisibility = 32 if is_hrnet else 0

    @property
    def size_divisibility(self) -> int:
        return self._size_divisibility

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps of normalized images (B, in_channels, H, W), by name."""
        divisor = self._size_divisibility
        if divisor and any(side % divisor for side in images.shape[-2:]):
            raise ValueError(
                f"HRNet takes images whose sides are multiples of {divisor}, "
                f"got {tuple(images.shape[-2:])} (height, width)."
            )
        return dict(zip(self._out_features, self.network(images), strict=True))


@BACKBONE_REGISTRY.register()
def build_timm_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmBackbone:
    """The network MODEL.TIMM.NAME with the feature maps that the model's head reads.

    MODEL.TIMM: NAME, OUTPUT_STRIDE, NORM, WEIGHTS (see ``bestie.config``).

    Raises:
        ValueError: a key does not fit, or the weights do not.
    """
    return _build_timm_backbone(cfg, input_shape, _read_features(cfg))


@BACKBONE_REGISTRY.register()
def build_timm_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Feature pyramid "p2".."p6" on MODEL.TIMM.NAME, for detectors (MODEL.FPN.OUT_CHANNELS, NORM).

    Raises:
        ValueError: as :func:`build_timm_backbone`; MODEL.TIMM.OUTPUT_STRIDE is not 32.
    """
    if cfg.MODEL.TIMM.OUTPUT_STRIDE != 32:
        raise ValueError(
            "build_timm_fpn_backbone needs MODEL.TIMM.OUTPUT_STRIDE 32, "
            f"got {cfg.MODEL.TIMM.OUTPUT_STRIDE}."
        )
    return FPN(
        bottom_up=_build_timm_backbone(cfg, input_shape, FEATURES),
        in_features=FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


class PooledPyramid(Backbone):
    """Feature pyramid "p2".."p5" from one high-resolution map by average pooling (HRNetV2p).

    Sun et al., "High-Resolution Representations for Labeling Pixels and Regions", 2019. It reads
    one map of the network only, so a checkpoint of heads on that map fills the network completely.
    """

    def __init__(self, bottom_up: TimmBackbone, *, out_channels: int):
        """
        Args:
            bottom_up: network with the map "res2".
            out_channels: channels of each level.
        """
        super().__init__()
        self.bottom_up = bottom_up
        self.reduce = nn.Conv2d(bottom_up.output_shape()["res2"].channels, out_channels, 1)
        self.levels = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in FEATURES
        )
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps (B, out_channels, H / s, W / s) for strides s = 4, 8, 16, 32 of images (B, 3, H,
        W)."""
        reduced = self.reduce(self.bottom_up(images)["res2"])
        return {
            f"p{index + 2}": level(F.avg_pool2d(reduced, 2**index))
            for index, level in enumerate(self.levels)
        }

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            f"p{index + 2}": ShapeSpec(channels=self.out_channels, stride=4 * 2**index)
            for index in range(len(self.levels))
        }

    @property
    def size_divisibility(self) -> int:
        return 32


@BACKBONE_REGISTRY.register()
def build_timm_hrfpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> PooledPyramid:
    """Pooled pyramid "p2".."p5" on MODEL.TIMM.NAME, for detectors (MODEL.FPN.OUT_CHANNELS)."""
    bottom_up = _build_timm_backbone(cfg, input_shape, FEATURES[:1])
    return PooledPyramid(bottom_up, out_channels=cfg.MODEL.FPN.OUT_CHANNELS)


def _build_timm_backbone(
    cfg: CfgNode, input_shape: ShapeSpec, out_features: Sequence[str]
) -> TimmBackbone:
    node = cfg.MODEL.TIMM
    backbone = TimmBackbone(
        node.NAME,
        out_features=out_features,
        output_stride=node.OUTPUT_STRIDE,
        in_channels=input_shape.channels,
        norm=resolve_norm(node.NORM, cfg.MODEL.DEVICE),
    )
    set_momentum(backbone, node.BN_MOMENTUM)
    if node.WEIGHTS:
        load_initial_weights(backbone, node.WEIGHTS, node.NAME)
    return backbone


def _read_features(cfg: CfgNode) -> Sequence[str]:
    """The maps that the model of this config reads: its ``backbone_features``, without such all."""
    name = cfg.MODEL.META_ARCHITECTURE
    model = META_ARCH_REGISTRY.get(name) if name in META_ARCH_REGISTRY else None
    read = getattr(model, "backbone_features", None)
    return read(cfg) if read else FEATURES


def _create_network(
    name: str, out_features: Sequence[str], output_stride: int, in_channels: int
) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=10, cutoff=0.4)
        hint = f" Similar names: {', '.join(near)}." if near else ""
        raise ValueError(f"MODEL.TIMM.NAME: timm has no model {name!r}.{hint}")
    options: dict[str, Any] = {"output_stride": output_stride} if output_stride != 32 else {}
    if timm.models.model_entrypoint(name).__module__ == "timm.models.hrnet":
        options["feature_location"] = ""
    # "res5" is the last map of the network, whether or not it gives one of the stem.
    indices = tuple(FEATURES.index(feature) - len(FEATURES) for feature in out_features)
    try:
        network = timm.create_model(
            name, features_only=True, out_indices=indices, in_chans=in_channels, **options
        )
    except (AssertionError, IndexError, NotImplementedError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"MODEL.TIMM.NAME {name} gives no feature maps with MODEL.TIMM.OUTPUT_STRIDE "
            f"{output_stride} ({error})."
        ) from error
    expected = dict(zip(FEATURES, (4, 8, 16, output_stride), strict=True))
    strides = cast(FeatureInfo, network.feature_info).reduction()
    if strides != [expected[feature] for feature in out_features]:
        raise ValueError(
            f"MODEL.TIMM.NAME {name} gives maps of strides {strides} for {list(out_features)}, "
            f"expected are {[expected[feature] for feature in out_features]} "
            f"(MODEL.TIMM.OUTPUT_STRIDE {output_stride})."
        )
    if isinstance(network, HighResolutionNetFeatures):
        _prune_last_fusion(network, [FEATURES.index(feature) for feature in out_features])
    if isinstance(network, EfficientNetFeatures):
        _prune_last_stages(network)
    return network


def _prune_last_fusion(network: HighResolutionNetFeatures, branches: Sequence[int]) -> None:
    """Remove what HRNet's last fusion computes for other branches only; names stay as they are."""
    module = network.stage4[-1]
    module.fuse_layers = nn.ModuleList(
        fuse if branch in branches else nn.ModuleList([nn.Identity()])
        for branch, fuse in enumerate(module.fuse_layers[: max(branches) + 1])
    )


def _prune_last_stages(network: EfficientNetFeatures) -> None:
    """Remove an EfficientNet's stages after the last map that it gives."""
    last = cast(FeatureInfo, network.feature_info).module_name()[-1]  # "blocks.4"
    network.blocks = network.blocks[: int(last.rpartition(".")[2]) + 1]
