"""What is known of the labels behind initial weights."""

import pytest

from bestie.backbones.origin import backbone_weights, model_weights
from bestie.training.setup import merge_config


def config(**settings):
    pairs = [(f"MODEL.{name.replace('__', '.')}", value) for name, value in settings.items()]
    return merge_config("", [part for pair in pairs for part in pair])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"TIMM__WEIGHTS": "timm"}, ("timm", "tags", "ImageNet-1k image labels")),
        ({"TIMM__WEIGHTS": "a.pth"}, ("a.pth", "unknown", "not known")),
        (
            {"TIMM__WEIGHTS": "a.pth", "TIMM__WEIGHTS_KIND": "boxes"},
            ("a.pth", "boxes", "boxes"),
        ),
        (
            {
                "BACKBONE__NAME": "build_vgg16_backbone",
                "PAM__VGG_WEIGHTS": "in/vgg16-397923af.pth",
                "TIMM__WEIGHTS": "timm",
            },
            ("in/vgg16-397923af.pth", "tags", "ImageNet-1k image labels"),
        ),
        (
            {
                "BACKBONE__NAME": "build_vgg16_backbone",
                "PAM__VGG_WEIGHTS": "b.pth",
                "PAM__VGG_WEIGHTS_KIND": "masks",
                "PAM__VGG_WEIGHTS_LABELS": "VOC masks",
            },
            ("b.pth", "masks", "VOC masks"),
        ),
    ],
)
def test_a_backbone_starts_from_what_its_own_keys_say(settings, expected):
    settings = {"BACKBONE__NAME": "build_timm_backbone"} | settings
    found = backbone_weights(config(**settings))
    assert (found.file, str(found.kind), found.labels) == expected


def test_other_backbones_have_no_key():
    assert backbone_weights(config(BACKBONE__NAME="build_resnet_backbone")) is None


def test_the_model_zoo_is_known_by_its_address():
    zoo = model_weights(config(WEIGHTS="detectron2://COCO-InstanceSegmentation/x/model.pkl"))
    assert (str(zoo.kind), zoo.labels) == ("masks", "COCO instance masks")
    copied = model_weights(config(WEIGHTS="/COCO-InstanceSegmentation/x/model.pkl"))
    assert str(copied.kind) == "unknown"
