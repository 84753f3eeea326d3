"""VGG16 with stride 8 as a backbone.

Normalized images (B, 3, H, W) become {"conv5": (B, 512, H/8, W/8)}.
"""

import fvcore.nn.weight_init as weight_init
from detectron2.modeling import Backbone
from torch import Tensor, nn

__all__ = ["VGG16"]

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
