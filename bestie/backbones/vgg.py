"""VGG16 with stride 8 as a backbone.

Normalized images (B, 3, H, W) become {"conv5": (B, 512, H/8, W/8)}.
"""

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
from detectron2.modeling import Backbone
from torch import Tensor, nn

__all__ = ["FEATURES", "VGG16"]

# Channels of the convolutions of each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DILATED_BLOCK = 4
# The map at the end of each block, and its stride, input pixels.
FEATURES = ("conv1", "conv2", "conv3", "conv4", "conv5")
STRIDES = (1, 2, 4, 8, 8)


class VGG16(Backbone):
    """VGG16's convolutions at stride 8 (Simonyan & Zisserman, 2015; DESIGN section 5).

    The last pooling is left out, the fourth is 3x3 with stride 1, and the fifth block's
    convolutions are dilated by 2. The layers are numbered as torchvision's ``features``, so its
    weight files fit.
    """

    def __init__(self, in_channels: int = 3, out_features: Sequence[str] = ("conv5",)):
        """
        Args:
            in_channels: channels of the image.
            out_features: which of "conv1".."conv5" to give, the maps at the end of each block.

        Raises:
            ValueError: there is no such map.
        """
        super().__init__()
        strides = dict(zip(FEATURES, STRIDES, strict=True))
        if not set(out_features) <= set(strides):
            raise ValueError(
                f"VGG16 gives the feature maps {', '.join(strides)}, got {', '.join(out_features)}."
            )
        layers: list[nn.Module] = []
        self._last_layers: dict[int, str] = {}
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
            self._last_layers[len(layers) - 1] = FEATURES[block]
        self.features = nn.Sequential(*layers)
        self._out_features = [name for name in strides if name in out_features]
        channels_of = dict(zip(strides, (block[-1] for block in BLOCKS), strict=True))
        self._out_feature_channels = {name: channels_of[name] for name in self._out_features}
        self._out_feature_strides = {name: strides[name] for name in self._out_features}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The feature maps of normalized images (B, in_channels, H, W); "conv5" (B, 512, H // 8, W
        // 8)."""
        maps = {}
        for index, layer in enumerate(self.features):
            images = layer(images)
            if self._last_layers.get(index) in self._out_features:
                maps[self._last_layers[index]] = images
        return maps
