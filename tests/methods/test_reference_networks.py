"""Parity of the networks with the reference families ``networks`` and ``pam``.

The reference's weights are rebuilt by a recipe (README of the cases) and go through the documented
renaming (bestie.backbones.weights) into the library's networks.
"""

import re
import zlib

import numpy as np
import pytest
import torch

from bestie.backbones.timm_backbone import TimmBackbone
from bestie.backbones.vgg import VGG16
from bestie.methods.bestie.heads import HRNetHead, PanopticDeepLabHead
from bestie.methods.bestie.official_names import convert_official_bestie
from bestie.methods.pam.classifier import PAMClassifier, peak_attention
from bestie.methods.pam.official_names import convert_official_pam
from tests.conftest import reference_cases


def rebuild_weights(parameters):
    weights = {}
    for entry in parameters["state_dict"]:
        name, shape = entry["name"], entry["shape"]
        if "alias_of" in entry:
            weights[name] = weights[entry["alias_of"]]
            continue
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.zeros(shape, dtype=torch.int64)
            continue
        values = np.random.RandomState(zlib.crc32(name.encode("utf-8"))).standard_normal(shape)
        if name.endswith("running_var"):
            values = 1 + 0.5 * abs(values)
        elif name.endswith(("running_mean", "bias")):
            values = 0.02 * values
        elif len(shape) == 1:
            values = 1 + 0.1 * values
        else:
            values = values * parameters["conv_gain"] / np.sqrt(np.prod(shape[1:]))
        weights[name] = torch.from_numpy(np.asarray(values, np.float32))
    return weights


def rebuild_input():
    coarse = np.random.RandomState(20220327).standard_normal((2, 3, 4, 6))
    noise = np.random.RandomState(20220328).standard_normal((2, 3, 64, 96))
    images = 2 * np.kron(coarse, np.ones((1, 1, 16, 16))) + 0.5 * noise
    return torch.from_numpy(images.astype(np.float32))


def assert_close(found, expected):
    tolerance = 1e-4 * abs(expected).max()
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=tolerance)


def build_bestie_network(model, num_classes):
    """Backbone and head of a case, as attributes of one module like those of ``BESTIE``."""
    network = torch.nn.Module()
    if hrnet := re.fullmatch(r"hrnet(\d+)", model):
        network.backbone = TimmBackbone(f"hrnet_w{hrnet[1]}", out_features=["res2"])
        network.head = HRNetHead(network.backbone.output_shape(), num_classes=num_classes)
    else:
        network.backbone = TimmBackbone(model)
        network.head = PanopticDeepLabHead(network.backbone.output_shape(), num_classes=num_classes)
    return network


@torch.no_grad()
def check_bestie(data, parameters):
    network = build_bestie_network(parameters["model"], parameters["num_classes"])
    network.load_state_dict(convert_official_bestie(rebuild_weights(parameters)))
    network.eval()
    features = network.backbone(rebuild_input())
    semantic, center, offset = network.head(features, output_size=data["out_seg"].shape[-2:])
    assert_close(semantic, data["out_seg"])
    assert_close(center, data["out_center"])
    assert_close(offset, data["out_offset"])
    for name in ("out_offset_full", "out_offset_37x61"):
        expected = data[name]
        assert_close(network.head(features, output_size=expected.shape[-2:])[2], expected)


@torch.no_grad()
def check_pam(data, parameters):
    model = PAMClassifier(
        backbone=VGG16(),
        num_classes=parameters["num_classes"],
        pixel_mean=[0.0] * 3,
        pixel_std=[1.0] * 3,
        alpha=parameters["alpha"],
    ).eval()
    model.load_state_dict(convert_official_pam(rebuild_weights(parameters)))
    images = rebuild_input()
    labels = torch.zeros(len(images), parameters["num_classes"], dtype=torch.bool)
    for row, classes in zip(labels, parameters["labels"], strict=True):
        row[classes] = True
    assert_close(model.class_maps(images).mean(dim=(2, 3)), data["out_logit"])
    for name in ("out_cam", "out_cam_50x75"):
        expected = data[name]
        assert_close(model.activation_maps(images, labels, expected.shape[-2:]), expected)


@pytest.mark.parametrize("case", reference_cases("networks"))
def test_network(case):
    data, parameters = case.load()
    check = check_pam if parameters["model"] == "vgg16_pam" else check_bestie
    check(data, parameters)


@pytest.mark.parametrize("case", reference_cases("pam"))
def test_peak_attention(case):
    data, parameters = case.load()
    x = torch.from_numpy(data["in_x"]).requires_grad_()
    y = peak_attention(x, parameters["alpha"])
    y.backward(torch.from_numpy(data["in_grad_output"]))
    np.testing.assert_array_equal(y.detach().numpy(), data["out_y"])
    np.testing.assert_array_equal(x.grad.numpy(), data["out_grad_input"])
