import pytest
import timm
import torch

from bestie.backbones.networks import model_hint, network_hint, network_of


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


def test_another_model_is_known_by_the_parts_that_differ():
    theirs, ours = ["backbone.b", "head.y", "box.z"], ["backbone.a", "mask.x"]
    expected = "another model, which has box, head where this one has mask: take"
    assert expected in model_hint(theirs, ours)
    assert "has h.0 where this one has h.fc: take" in model_hint(["h.0.w"], ["h.fc.w"])
    assert "has h.s.0 where this one has h.s.1" in model_hint(["h.s.0.w"], ["h.s.1.w"])
    assert model_hint(["a.b"], []) == model_hint([], ["a.b"]) == model_hint(["a.b"], ["a.b"]) == ""


def test_a_file_that_lacks_a_part_or_has_one_more_is_not_called_another_model():
    ours = ["backbone.a", "head.a.w", "head.d.w"]
    assert model_hint(["backbone.a", "head.a.w", "average.decay"], ours) == ""
    assert model_hint(["backbone.a", "head.a.w"], ours) == ""
