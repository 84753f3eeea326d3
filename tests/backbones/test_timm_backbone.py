import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_backbone

from bestie.backbones.norm import resolve_norm
from bestie.backbones.timm_backbone import TimmBackbone
from bestie.config import add_bestie_config


def make_cfg(name="resnet18", builder="build_timm_backbone", **keys):
    cfg = get_cfg()
    add_bestie_config(cfg)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.META_ARCHITECTURE = "BESTIE"
    cfg.MODEL.BACKBONE.NAME = builder
    cfg.MODEL.TIMM.NAME = name
    for key, value in keys.items():
        setattr(cfg.MODEL.TIMM, key, value)
    return cfg


def parameters_without_gradient(backbone):
    features = backbone(torch.randn(2, 3, 32, 32))
    sum(feature.sum() for feature in features.values()).backward()
    return [name for name, parameter in backbone.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("name", ["hrnet_w18_small", "resnet18"])
def test_maps_have_the_announced_channels_and_strides(name):
    backbone = TimmBackbone(name).eval()
    features = backbone(torch.randn(1, 3, 64, 96))
    shapes = backbone.output_shape()
    assert list(features) == list(shapes) == ["res2", "res3", "res4", "res5"]
    assert [shape.stride for shape in shapes.values()] == [4, 8, 16, 32]
    for feature, shape in zip(features.values(), shapes.values(), strict=True):
        assert feature.shape == (1, shape.channels, 64 // shape.stride, 96 // shape.stride)


def test_output_stride_16_keeps_the_resolution_of_res4():
    backbone = TimmBackbone("resnet18", output_stride=16).eval()
    features = backbone(torch.randn(1, 3, 64, 96))
    assert features["res5"].shape[-2:] == features["res4"].shape[-2:] == (4, 6)
    assert backbone.output_shape()["res5"] == ShapeSpec(channels=512, stride=16)


@pytest.mark.parametrize("out_features", [["res2"], ["res3", "res5"]])
def test_hrnet_without_unused_maps_trains_every_parameter_and_gives_the_same_maps(out_features):
    whole = TimmBackbone("hrnet_w18_small").eval()
    pruned = TimmBackbone("hrnet_w18_small", out_features=out_features).eval()
    names = pruned.state_dict()
    assert set(names) < set(whole.state_dict())
    pruned.load_state_dict({name: whole.state_dict()[name] for name in names})
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected, found = whole(images), pruned(images)
    assert list(found) == out_features
    assert all(torch.equal(found[name], expected[name]) for name in out_features)
    assert parameters_without_gradient(pruned.train()) == []


@pytest.mark.parametrize("name", ["hrnet_w18_small", "resnet18"])
def test_every_parameter_of_all_four_maps_trains(name):
    assert parameters_without_gradient(TimmBackbone(name)) == []


@pytest.mark.parametrize(
    ("meta_architecture", "head", "expected"),
    [
        ("BESTIE", "HRNetHead", ["res2"]),
        ("BESTIE", "PanopticDeepLabHead", ["res2", "res3", "res4", "res5"]),
        ("PAMClassifier", "HRNetHead", ["res5"]),
        ("SemanticSegmentor", "HRNetHead", ["res2", "res3", "res4", "res5"]),
    ],
)
def test_backbone_gives_the_maps_that_the_model_reads(meta_architecture, head, expected):
    cfg = make_cfg()
    cfg.MODEL.META_ARCHITECTURE = meta_architecture
    cfg.MODEL.BESTIE.HEAD = head
    assert list(build_backbone(cfg).output_shape()) == expected


def test_feature_pyramid_for_mask_rcnn():
    cfg = make_cfg("hrnet_w18_small", "build_timm_fpn_backbone")
    cfg.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    cfg.MODEL.FPN.OUT_CHANNELS = 32
    backbone = build_backbone(cfg)
    features = backbone(torch.randn(1, 3, 64, 64))
    assert [feature.shape for feature in features.values()] == [
        (1, 32, side, side) for side in (16, 8, 4, 2, 1)
    ]
    assert list(features) == ["p2", "p3", "p4", "p5", "p6"] and backbone.size_divisibility == 32


def test_feature_pyramid_needs_stride_32():
    with pytest.raises(ValueError, match="OUTPUT_STRIDE 32, got 16"):
        build_backbone(make_cfg(builder="build_timm_fpn_backbone", OUTPUT_STRIDE=16))


def test_unknown_name_is_answered_with_near_names():
    with pytest.raises(ValueError, match=r"no model 'hrnet34'.*hrnet_w32"):
        TimmBackbone("hrnet34")


@pytest.mark.parametrize(
    ("name", "stride"), [("hrnet_w18_small", 16), ("resnet18", 4), ("vit_tiny_patch16_224", 32)]
)
def test_network_without_such_strides_is_refused(name, stride):
    with pytest.raises(ValueError, match=f"MODEL.TIMM.NAME {name}"):
        TimmBackbone(name, output_stride=stride)


def test_hrnet_refuses_sides_that_are_no_multiples_of_32():
    with pytest.raises(ValueError, match=r"multiples of 32, got \(64, 48\)"):
        TimmBackbone("hrnet_w18_small")(torch.randn(1, 3, 64, 48))


def test_batch_norm_is_synchronized_only_between_gpu_processes(monkeypatch):
    assert resolve_norm("SyncBN", "cuda") == "BN"
    monkeypatch.setattr("detectron2.utils.comm.get_world_size", lambda: 2)
    assert resolve_norm("SyncBN", "cuda:1") == "SyncBN"
    assert resolve_norm("SyncBN", "cpu") == resolve_norm("BN", "cuda") == "BN"
    with pytest.raises(ValueError, match="MODEL.TIMM.NORM must be one of BN, SyncBN, got 'GN'"):
        resolve_norm("GN", "cpu")


def test_synchronized_batch_norm_replaces_every_batch_norm():
    backbone = TimmBackbone("resnet18", norm="SyncBN")
    kinds = {type(module).__name__ for module in backbone.modules() if "Norm" in str(type(module))}
    assert kinds == {"SyncBatchNorm"}
    assert list(backbone.state_dict()) == list(TimmBackbone("resnet18").state_dict())
