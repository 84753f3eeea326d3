import torch

from bestie.method import METHODS
from bestie.methods.pam.method import METHOD
from bestie.training.accepted_values import value_of
from bestie.training.setup import default_config, merge_config


def test_it_is_registered_and_its_keys_exist():
    assert METHODS["pam"] is METHOD
    cfg = default_config()
    for key in (*METHOD.weights, *METHOD.described_weights):
        assert value_of(cfg, key) == value_of(cfg, f"{key}_KIND") == ""


def test_weights_of_vgg_are_those_of_the_config_and_other_backbones_have_none():
    vgg = ["MODEL.PAM.VGG_WEIGHTS", "a.pth", "MODEL.PAM.VGG_WEIGHTS_KIND", "boxes"]
    vgg += ["MODEL.PAM.VGG_WEIGHTS_LABELS", "boxes of cars"]
    cfg = merge_config("", [*vgg, "MODEL.BACKBONE.NAME", "build_vgg16_backbone"])
    assert METHOD.backbone_weights(cfg) == ("a.pth", "boxes", "boxes of cars")
    cfg = merge_config("", [*vgg, "MODEL.BACKBONE.NAME", "build_timm_backbone"])
    assert METHOD.backbone_weights(cfg) is None


def test_weights_of_other_networks_are_not_renamed():
    assert METHOD.convert_weights({"conv1.weight": torch.zeros(1)}) is None
