"""Official weights of BESTIE: each layer gets its name here, others are left alone."""

import torch

from bestie.methods.bestie.official_names import convert_official_bestie


def test_hrnet():
    official = {"seg.2.weight": 0, "offset.0.bias": 1, "stage4.2.branches.0.0.conv1.weight": 2}
    assert convert_official_bestie(official) == {
        "head.semantic.2.weight": 0,
        "head.offset.0.bias": 1,
        "backbone.network.stage4.2.branches.0.0.conv1.weight": 2,
    }


def test_resnet():
    official = {
        "decoder.semantic_decoder.project.0.0.weight": torch.ones(1),
        "decoder.semantic_decoder.fuse.1.0.0.1.running_mean": torch.ones(1),
        "decoder.instance_head.classifier.offset.0.0.2.bias": torch.ones(1),
        "decoder.instance_decoder.aspp.convs.4.aspp_pooling.1.weight": torch.ones(7, 1),
    }
    renamed = convert_official_bestie(official)
    pooling = "head.instance_decoder.decoder.res5.project_conv.convs.4.1"
    assert list(renamed) == [
        "head.semantic_decoder.decoder.res4.project_conv.weight",
        "head.semantic_decoder.decoder.res3.fuse_conv.depthwise.norm.running_mean",
        "head.offset_head.pointwise.norm.bias",
        f"{pooling}.weight",
        f"{pooling}.bias",
    ]
    assert not renamed[f"{pooling}.bias"].any() and len(renamed[f"{pooling}.bias"]) == 7


def test_other_weights_are_not_official_ones():
    assert convert_official_bestie({"conv1.weight": torch.ones(1)}) is None
