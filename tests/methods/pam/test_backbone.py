"""The classifier's VGG16: its weights are found, or it is said where to get them."""

import pytest
import torch
from detectron2.layers import ShapeSpec

from bestie.backbones.vgg import VGG16
from bestie.methods.pam.backbone import build_vgg16_backbone
from tests.methods.pam.test_classifier import make_cfg


def test_missing_vgg16_weights_stop_the_run_and_say_where_to_get_them(tmp_path):
    cfg = make_cfg()
    cfg.MODEL.PAM.VGG_WEIGHTS = str(tmp_path / "vgg16.pth")
    with pytest.raises(
        ValueError, match=r"VGG_WEIGHTS: .* is not a file.*torchvision.models.vgg16"
    ):
        build_vgg16_backbone(cfg, ShapeSpec(channels=3))


def test_vgg16_takes_torchvisions_file(tmp_path):
    state = VGG16().state_dict() | {"classifier.0.weight": torch.zeros(1)}
    cfg = make_cfg()
    cfg.MODEL.PAM.VGG_WEIGHTS = str(tmp_path / "vgg16.pth")
    torch.save(state, cfg.MODEL.PAM.VGG_WEIGHTS)
    loaded = build_vgg16_backbone(cfg, ShapeSpec(channels=3)).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.items())
