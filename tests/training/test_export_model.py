"""Exported detectors give what the model gives; a file that would not is never written."""

import importlib.util
import json
import re
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image

from bestie.data import build_mapper
from bestie.training import export_model as module
from bestie.training.export_model import export_model
from bestie.training.predict import demo_overrides
from bestie.training.setup import load_model, read_config
from tests.conftest import PROJECT
from tests.training.test_export import BESTIE, MASK_RCNN
from tests.training.test_predict import checkpoint


def photos(folder, sizes=((64, 80), (80, 64), (70, 120))):
    """Noise, so that even random weights find something; each of another shape."""
    paths = []
    for number, (height, width) in enumerate(sizes):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        paths.append(folder / f"{number}.png")
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(paths[-1])
    return paths


def spread_scores(weights):
    """Give a checkpoint scores and masks that differ: the order of equal ones is that of rounding.

    Without effect on models that are no detectors.
    """
    content = torch.load(weights, weights_only=True)
    random = torch.Generator().manual_seed(0)
    for key, value in content["model"].items():
        if key.endswith(("cls_score.weight", "objectness_logits.weight")):
            value.copy_(torch.randn(value.shape, generator=random))
        elif key.endswith("mask_head.predictor.bias"):
            value.zero_()
    torch.save(content, weights)


def config(folder, text=MASK_RCNN, *options):
    config_file, weights = checkpoint(folder, text)
    spread_scores(weights[1])
    overrides = demo_overrides(config_file, [*weights, *options])
    return read_config(config_file, overrides, training=False)


def test_torchscript_finds_what_the_model_finds(tmp_path):
    cfg = config(tmp_path / "run", MASK_RCNN, "TEST.DETECTIONS_PER_IMAGE", "20")
    images = photos(tmp_path / "photos")
    about = export_model(cfg, images, tmp_path / "out")
    assert about == json.loads((tmp_path / "out/model.json").read_text())
    assert about["checked"]["images"] == 3 and about["checked"]["instances"] > 3
    assert about["classes"] == ["cat", "dog"]
    assert about["outputs"] == ["boxes", "scores", "classes", "masks", "size"]
    assert about["input"]["channels"] == cfg.INPUT.FORMAT
    network = torch.jit.load(str(tmp_path / "out/model.ts"))
    # A shape that the export did not see.
    (path,) = photos(tmp_path / "more", [(90, 66)])
    record = {"file_name": str(path), "height": 90, "width": 66}
    image = build_mapper(cfg, is_train=False)(record)["image"]
    with torch.no_grad():
        boxes, scores, classes, masks, size = network(image)
        (expected,) = load_model(cfg).inference([{"image": image}], do_postprocess=False)
    assert size.tolist() == list(image.shape[1:])
    torch.testing.assert_close(boxes, expected.pred_boxes.tensor, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(scores, expected.scores, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(masks, expected.pred_masks, atol=1e-4, rtol=1e-3)
    assert classes.tolist() == expected.pred_classes.tolist()


def test_masks_of_the_documented_program_are_those_of_the_model(tmp_path, monkeypatch):
    """The program of docs/deployment.md, as it stands there, on a photo that has to be resized."""
    cfg = config(tmp_path / "run", MASK_RCNN, "TEST.DETECTIONS_PER_IMAGE", "10")
    export_model(cfg, photos(tmp_path / "photos"), tmp_path / "output/deploy")
    (path,) = photos(tmp_path / "more", [(90, 133)])
    Image.open(path).save(tmp_path / "photo.jpg")
    (program,) = re.findall(
        r"(?:^    .*\n|^\n)*^    import json, (?:.*\n)(?:^    .*\n|^\n)*",
        (PROJECT / "docs/deployment.md").read_text(),
        flags=re.M,
    )
    monkeypatch.chdir(tmp_path)
    found: list[torch.Tensor] = []
    scope = {"print": lambda *words: found.append(scope["mask"])}
    exec(textwrap.dedent(program), scope)
    record = {"file_name": str(tmp_path / "photo.jpg"), "height": 90, "width": 133}
    with torch.no_grad():
        (expected,) = load_model(cfg)([build_mapper(cfg, is_train=False)(record)])
    masks = torch.as_tensor(np.asarray(expected["instances"].pred_masks))
    assert len(found) == len(masks) > 3 and masks.any()
    for mask, wanted in zip(found, masks, strict=True):
        assert (mask & wanted).sum() >= 0.999 * (mask | wanted).sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda outputs: (outputs[0] + 1, *outputs[1:]), "boxes on .*0.png by 1, accepted is 0.05"),
        (lambda outputs: (outputs[0], outputs[1] * np.nan, *outputs[2:]), "scores on .* by nan"),
        (lambda outputs: (*(out[1:] for out in outputs[:-1]), outputs[-1]), "finds 19 instances"),
        (lambda outputs: (*outputs[:-1], outputs[-1] + 1), r"at \[65, 81\] pixels"),
    ],
)
def test_a_network_that_differs_is_not_written(tmp_path, monkeypatch, change, message):
    def different(model, image):
        return b"", lambda sample: change(module._outputs(model, sample))

    monkeypatch.setitem(module._EXPORTERS, "torchscript", different)
    cfg = config(tmp_path / "run", MASK_RCNN, "TEST.DETECTIONS_PER_IMAGE", "20")
    with pytest.raises(ValueError, match=message):
        export_model(cfg, photos(tmp_path / "photos", [(64, 80)]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_instances_in_another_order_are_the_same(tmp_path, monkeypatch):
    def shuffled(model, image):
        def network(sample):
            *outputs, size = module._outputs(model, sample)
            return (*(values.flip(0) for values in outputs), size)

        return b"file", network

    monkeypatch.setitem(module._EXPORTERS, "torchscript", shuffled)
    cfg = config(tmp_path / "run", MASK_RCNN, "TEST.DETECTIONS_PER_IMAGE", "20")
    about = export_model(cfg, photos(tmp_path / "photos", [(64, 80)]), tmp_path / "out")
    assert set(about["checked"]["largest_differences"].values()) == {0.0}


def test_a_network_that_fails_is_not_written(tmp_path, monkeypatch):
    def failing(model, image):
        def network(sample):
            raise RuntimeError("first line\nno such operator")

        return b"", network

    monkeypatch.setitem(module._EXPORTERS, "torchscript", failing)
    with pytest.raises(ValueError, match="the exported torchscript fails on .*no such operator"):
        export_model(config(tmp_path / "run"), photos(tmp_path / "photos"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_without_instances_show_nothing(tmp_path):
    cfg = config(tmp_path / "run", MASK_RCNN, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "1.0")
    with pytest.raises(ValueError, match=r"finds no instance in the 3 image\(s\)"):
        export_model(cfg, photos(tmp_path / "photos"), tmp_path / "out")


def test_requests_that_cannot_be_met_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load_model", None)
    cfg, images = config(tmp_path / "run"), photos(tmp_path / "photos")
    with pytest.raises(ValueError, match="--format must be one of torchscript, onnx, got 'tf'"):
        export_model(cfg, images, tmp_path, format="tf")
    with pytest.raises(ValueError, match=r"give some \(--input\)"):
        export_model(cfg, [], tmp_path)
    with pytest.raises(ValueError, match="META_ARCHITECTURE BESTIE cannot be exported"):
        export_model(config(tmp_path / "other", BESTIE), images, tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install onnx onnxruntime"):
        export_model(cfg, images, tmp_path, format="onnx")


@pytest.mark.slow
def test_onnx_finds_what_the_model_finds(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    cfg = config(tmp_path / "run", MASK_RCNN, "TEST.DETECTIONS_PER_IMAGE", "20")
    about = export_model(cfg, photos(tmp_path / "photos"), tmp_path / "out", format="onnx")
    assert about["checked"]["images"] == 3 and about["checked"]["instances"] > 3
    assert (tmp_path / "out/model.onnx").is_file()
