"""VGG16 with stride 8 as a backbone (MODEL.BACKBONE.NAME ``build_vgg16_backbone``).

Normalized images (B, 3, H, W) become {"conv5": (B, 512, H/8, W/8)}.
"""

from pathlib import Path

import fvcore.nn.weight_init as weight_init
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import Tensor, nn

from bestie.backbones.weights import load_backbone_weights

__all__ = ["VGG16", "build_vgg16_backbone"]

# Channels of the convolutions of each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DILATED_BLOCK = 4


class VGG16(Backbone):
    """VGG16's convolutions at stride 8 (Simonyan & Zisserman, 2015; DESIGN section 5).

    The last pooling is left out, the fourth is 3x3 with stride 1, and the fifth block's
    convolutions are dilated by 2. The layers are numbered as torchvision's ``features``, so its
    weight files fit.
    """

    def __init__(self, in_channels: int = 3):
        """
        Args:
            in_channels: channels of the image.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for block, channels in enumerate(BLOCKS):
            if block == DILATED_BLOCK:
                layers.append(nn.MaxPool2d(3, stride=1, padding=1))
            elif block:
                layers.append(nn.MaxPool2d(2, stride=2))
            dilation = 2 if block == DILATED_BLOCK else 1
            for out_channels in channels:
                conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
                weight_init.c2_msra_fill(conv)
                layers += [conv, nn.ReLU(inplace=True)]
                in_channels = out_channels
        self.features = nn.Sequential(*layers)
        self._out_features = ["conv5"]
        self._out_feature_channels = {"conv5": in_channels}
        self._out_feature_strides = {"conv5": 8}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"conv5": (B, 512, H // 8, W // 8)} of normalized images (B, in_channels, H, W)."""
        return {"conv5": self.features(images)}


@BACKBONE_REGISTRY.register()
def build_vgg16_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> VGG16:
    """VGG16 with the weights of MODEL.PAM.VGG_WEIGHTS, or random ones if that is "".

    Raises:
        ValueError: the file is missing (says where to get it) or does not fit.
    """
    backbone = VGG16(input_shape.channels)
    path = cfg.MODEL.PAM.VGG_WEIGHTS
    if path and not Path(path).is_file():
        raise ValueError(
            f"MODEL.PAM.VGG_WEIGHTS: {path} is not a file. Torchvision's ImageNet weights "
            "belong there: https://download.pytorch.org/models/vgg16-397923af.pth, or python -c "
            "'import torchvision; torchvision.models.vgg16(weights=\"IMAGENET1K_V1\")', which "
            'downloads them and prints where to. Set the key to "" to start from random weights.'
        )
    if path:
        load_backbone_weights(backbone, path, key="MODEL.PAM.VGG_WEIGHTS")
    return backbone
