"""VGG16 as a backbone."""

import pytest
import torch
from detectron2.layers import ShapeSpec

from bestie.backbones.vgg import VGG16


def test_vgg16_has_stride_8_for_any_size():
    backbone = VGG16().eval()
    with torch.no_grad():
        feature = backbone(torch.randn(1, 3, 41, 64))["conv5"]
    assert feature.shape == (1, 512, 5, 8)
    assert backbone.output_shape()["conv5"] == ShapeSpec(channels=512, stride=8)


def test_the_maps_at_the_end_of_each_block_are_there_when_asked_for():
    torch.manual_seed(0)
    names = ("conv1", "conv2", "conv3", "conv4", "conv5")
    backbone = VGG16(out_features=names).eval()
    image = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        maps = backbone(image)
        alone = backbone.features(image)
    assert list(maps) == list(names)
    for name, spec in backbone.output_shape().items():
        size = (48 // spec.stride, 64 // spec.stride)
        assert maps[name].shape == (1, spec.channels, *size), name
    assert torch.equal(maps["conv5"], alone)
    with pytest.raises(ValueError, match="VGG16 gives the feature maps conv1, .*got conv6"):
        VGG16(out_features=("conv6",))
