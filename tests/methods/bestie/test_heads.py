import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec

from bestie.config import add_bestie_config
from bestie.methods.bestie.heads import HRNetHead, PanopticDeepLabHead, build_bestie_head

# Tiny maps of a 64x96 image.
SHAPES = {
    name: ShapeSpec(channels=channels, stride=stride)
    for name, channels, stride in [
        ("res2", 8, 4),
        ("res3", 16, 8),
        ("res4", 24, 16),
        ("res5", 32, 32),
    ]
}
NUM_CLASSES = 3


def make_features(batch=2):
    return {
        name: torch.randn(batch, shape.channels, 64 // shape.stride, 96 // shape.stride)
        for name, shape in SHAPES.items()
    }


def make_cfg(head="HRNetHead"):
    cfg = get_cfg()
    add_bestie_config(cfg)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BESTIE.NUM_CLASSES = NUM_CLASSES
    cfg.MODEL.BESTIE.HEAD = head
    return cfg


HEADS = [HRNetHead, PanopticDeepLabHead]


@pytest.mark.parametrize("head_class", HEADS)
@pytest.mark.parametrize("size", [(64, 96), (37, 61)])
def test_maps_have_the_size_asked_for(head_class, size):
    head = head_class(SHAPES, num_classes=NUM_CLASSES)
    semantic, center, offset = head(make_features(), output_size=size)
    assert semantic.shape == (2, NUM_CLASSES + 1, *size)
    assert center.shape == (2, NUM_CLASSES, *size)
    assert offset.shape == (2, 2, *size)


@pytest.mark.parametrize("head_class", HEADS)
def test_low_resolution_maps_are_those_before_upsampling(head_class):
    head = head_class(SHAPES, num_classes=NUM_CLASSES).eval()
    features = make_features()
    maps = head.layers(features)
    assert all(map_.shape[-2:] == (16, 24) for map_ in maps)
    for small, same in zip(maps, head(features, output_size=(16, 24)), strict=True):
        torch.testing.assert_close(small, same)


@pytest.mark.parametrize(
    ("head_class", "corners_kept"), [(HRNetHead, False), (PanopticDeepLabHead, True)]
)
def test_upsampling_keeps_the_corner_values_only_with_aligned_corners(head_class, corners_kept):
    head = head_class(SHAPES, num_classes=NUM_CLASSES).eval()
    features = make_features(1)
    small, large = head.layers(features)[2], head(features, output_size=(31, 47))[2]
    # One pixel in from the corner the small map's second value has already begun to count.
    inner = small[..., 0, 0] + (small[..., 1, 0] - small[..., 0, 0]) * 15 / 30
    torch.testing.assert_close(large[..., 0, 0], small[..., 0, 0])
    assert torch.allclose(large[..., 1, 0], inner, atol=1e-6) == corners_kept


@pytest.mark.parametrize("head_class", HEADS)
def test_outputs_start_near_zero_and_every_parameter_trains(head_class):
    head = head_class(SHAPES, num_classes=NUM_CLASSES)
    maps = head(make_features(), output_size=(64, 96))
    assert all(0 < map_.abs().max() < 0.3 for map_ in maps)
    sum(map_.square().sum() for map_ in maps).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize("head_class", HEADS)
def test_mixed_precision_gives_float32_maps(head_class):
    head = head_class(SHAPES, num_classes=NUM_CLASSES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        small = head.layers(make_features())
        maps = head(make_features(), output_size=(64, 96))
    assert {map_.dtype for map_ in small} == {torch.bfloat16}
    assert {map_.dtype for map_ in maps} == {torch.float32}


@pytest.mark.parametrize("head_class", HEADS)
def test_config_and_keywords_build_the_same_head(head_class):
    from_config = build_bestie_head(make_cfg(head_class.__name__), SHAPES)
    by_keywords = head_class(SHAPES, num_classes=NUM_CLASSES)
    assert type(from_config) is head_class
    assert {name: value.shape for name, value in from_config.state_dict().items()} == {
        name: value.shape for name, value in by_keywords.state_dict().items()
    }


def test_pyramid_pooling_reaches_equally_far_at_both_output_strides():
    def dilations(stride):
        shapes = SHAPES | {"res5": ShapeSpec(channels=32, stride=stride)}
        head = PanopticDeepLabHead(shapes, num_classes=1)
        pooling = head.semantic_decoder.decoder["res5"]["project_conv"]
        return [conv.dilation[0] for conv in pooling.convs[1:4]]

    assert dilations(32) == [3, 6, 9] and dilations(16) == [6, 12, 18]


def test_unknown_head_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="HRNetHead, .*PanopticDeepLabHead.*, got 'FCNHead'"):
        build_bestie_head(make_cfg("FCNHead"), SHAPES)


def test_head_on_a_backbone_without_its_maps_is_refused():
    with pytest.raises(ValueError, match="reads the feature maps res2, .* gives conv5"):
        build_bestie_head(make_cfg(), {"conv5": ShapeSpec(channels=8, stride=8)})


def test_number_of_classes_must_be_known():
    cfg = make_cfg()
    cfg.MODEL.BESTIE.NUM_CLASSES = -1
    with pytest.raises(ValueError, match="MODEL.BESTIE.NUM_CLASSES must be 1 or more here, got -1"):
        build_bestie_head(cfg, SHAPES)


@pytest.mark.parametrize("head_class", HEADS)
def test_convolutions_of_the_head_start_with_the_given_deviation(head_class):
    cfg = make_cfg(head_class.__name__)
    cfg.MODEL.BESTIE.HEAD_STD = 0.02
    head = build_bestie_head(cfg, SHAPES)
    convolutions = [layer for layer in head.modules() if isinstance(layer, torch.nn.Conv2d)]
    weights = torch.cat([layer.weight.detach().view(-1) for layer in convolutions])
    assert weights.std() == pytest.approx(0.02, rel=0.02)
    assert all(layer.bias is None or not layer.bias.any() for layer in convolutions)


def test_dropout_of_the_pyramid_pooling_and_momentum_of_the_norms_are_keys():
    cfg = make_cfg("PanopticDeepLabHead")
    cfg.MODEL.BESTIE.ASPP_DROPOUT, cfg.MODEL.TIMM.BN_MOMENTUM = 0.5, 0.01
    head = build_bestie_head(cfg, SHAPES)
    pooling = head.instance_decoder.decoder["res5"]["project_conv"]
    assert pooling.dropout == 0.5
    norms = [layer for layer in head.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms and all(norm.momentum == 0.01 for norm in norms)
