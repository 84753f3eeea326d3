"""VGG16 as a backbone."""

import torch
from detectron2.layers import ShapeSpec

from bestie.backbones.vgg import VGG16


def test_vgg16_has_stride_8_for_any_size():
    backbone = VGG16().eval()
    with torch.no_grad():
        feature = backbone(torch.randn(1, 3, 41, 64))["conv5"]
    assert feature.shape == (1, 512, 5, 8)
    assert backbone.output_shape()["conv5"] == ShapeSpec(channels=512, stride=8)
