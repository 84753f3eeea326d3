import pytest
import timm
import torch

from bestie.backbones.networks import network_hint, network_of


@pytest.mark.parametrize(
    ("model", "name"),
    [("hrnet_w32", "HRNet-W32"), ("hrnet_w48", "HRNet-W48"), ("vgg16", "VGG16")],
)
@pytest.mark.parametrize("prefix", ["", "backbone.network."])
def test_networks_are_known_by_their_layers(model, name, prefix):
    with torch.device("meta"):
        state = timm.create_model(model).state_dict()
    assert network_of({prefix + key: value for key, value in state.items()}) == name


@pytest.mark.parametrize(("depth", "last"), [(50, 5), (101, 22), (152, 35)])
@pytest.mark.parametrize("stage", ["layer3", "backbone.bottom_up.res4"])
def test_resnets_are_known_by_their_depth(depth, last, stage):
    state = {f"{stage}.{i}.conv3.weight": torch.empty(0) for i in range(last + 1)}
    assert network_of(state) == f"ResNet-{depth}"


def test_only_two_known_networks_that_differ_are_worth_a_sentence():
    def hrnet(width):
        return {"stage2.0.branches.0.0.conv1.weight": torch.empty(width, 1, 3, 3)}

    assert "like HRNet-W32, the model is HRNet-W48" in network_hint(hrnet(32), hrnet(48))
    assert network_hint(hrnet(32), hrnet(32)) == network_hint({}, hrnet(48)) == ""
    assert network_hint(hrnet(32), {"head.weight": torch.empty(1)}) == ""
