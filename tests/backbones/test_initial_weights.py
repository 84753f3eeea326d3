"""Backbones start from complete weights, whatever library named them."""

import pytest
import safetensors.torch
import timm
import torch

from bestie.backbones.initial_weights import load_backbone_weights
from bestie.backbones.timm_backbone import TimmBackbone


def resnet18_state():
    return timm.create_model("resnet18").state_dict()


def assert_filled(backbone, state):
    own = backbone.state_dict()
    assert own and all(
        torch.equal(value, state[name.removeprefix("network.")]) for name, value in own.items()
    )


@pytest.mark.parametrize(
    "prefix", ["", "module.", "backbone.", "model.backbone.", "backbone.bottom_up.network."]
)
def test_backbone_takes_the_namings_of_libraries_and_checkpoints(tmp_path, prefix):
    state = resnet18_state()
    file = {f"{prefix}{name}": value for name, value in state.items()}
    if "backbone" in prefix:
        file |= {
            "head.center.2.weight": torch.ones(1),
            "backbone.fpn_lateral2.weight": torch.ones(1),
        }
    if "bottom_up" not in prefix:
        file.pop("backbone.fpn_lateral2.weight", None)
    torch.save(file, tmp_path / "w.pth")
    backbone = TimmBackbone("resnet18")
    load_backbone_weights(backbone, tmp_path / "w.pth")
    assert_filled(backbone, state)


def test_backbone_takes_safetensors_and_old_files_without_batch_counters(tmp_path):
    state = {
        name: value
        for name, value in resnet18_state().items()
        if not name.endswith("num_batches_tracked")
    }
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    backbone = TimmBackbone("resnet18", out_features=["res2"])
    load_backbone_weights(backbone, tmp_path / "w.safetensors")
    assert torch.equal(backbone.state_dict()["network.conv1.weight"], state["conv1.weight"])


def test_hrnet_backbone_takes_the_whole_classifier_whatever_it_reads(tmp_path):
    state = timm.create_model("hrnet_w18_small").state_dict()
    torch.save(state, tmp_path / "w.pth")
    for out_features in (["res2"], ["res5"]):
        backbone = TimmBackbone("hrnet_w18_small", out_features=out_features)
        load_backbone_weights(backbone, tmp_path / "w.pth")
        assert_filled(backbone, state)


def test_backbone_error_counts_and_names_what_does_not_fit(tmp_path):
    state = resnet18_state()
    del state["layer1.0.conv1.weight"]
    state["layer4.9.conv1.weight"] = torch.ones(1)
    state["conv1.weight"] = torch.ones(64, 1, 7, 7)
    torch.save(state, tmp_path / "w.pth")
    expected = (
        r"MODEL.TIMM.WEIGHTS: .*w.pth does not fit the backbone: "
        r"1 missing in the file \(layer1.0.conv1.weight\); "
        r"1 in the file only \(layer4.9.conv1.weight\); 1 of another shape "
        r"\(conv1.weight \(64, 1, 7, 7\) in the file, \(64, 3, 7, 7\) here\)\."
    )
    with pytest.raises(ValueError, match=expected):
        load_backbone_weights(TimmBackbone("resnet18"), tmp_path / "w.pth")


def test_a_deeper_network_of_the_same_family_is_no_substitute(tmp_path):
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"in the file only \(layer1.2"):
        load_backbone_weights(TimmBackbone("resnet18"), tmp_path / "w.pth")
