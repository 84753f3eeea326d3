"""Rows about weak maps: boundary refinement, and a map compared with the classifier's passes.

Every function here takes the settings of a run and yields rows.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from detectron2.config import CfgNode
from torch import Tensor
from torch.nn import functional as F

from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.timing import measure, measure_in_turn
from bestie.formats import write_semantic_map
from bestie.methods.pam.classifier import PAMClassifier
from bestie.methods.pam.maps import image_scores
from bestie.methods.pam.semantic_maps import label_pixels, refine_scores
from bestie.training.setup import build_model, default_config

__all__ = ["map_rows"]

TAGS = (1, 5, 7)
SCALES = [0.5, 1.0, 1.5]


def map_rows(bench: Bench) -> Iterator[Row]:
    """Three tags; the classifiers have random weights."""
    height, width = (94, 125) if bench.quick else (375, 500)
    generator = torch.Generator().manual_seed(bench.seed)
    coarse = torch.rand(1, 3 + len(TAGS) + 1, height // 16, width // 16, generator=generator)
    image, scores = F.interpolate(coarse, (height, width), mode="bilinear")[0].split([3, 4])
    image = (255 * image).to(bench.device, torch.uint8)
    scores = scores.softmax(dim=0).to(bench.device)
    maps = default_config().MODEL.PAM.MAPS
    given = scores, image, maps.PAMR_DILATIONS, maps.PAMR_ITERATIONS
    measurement = measure(lambda: refine_scores(*given), bench.device, bench.repeat)
    limits = {"limit_ms": 500} if bench.device.type == "cpu" else {}
    setting = f"{height}x{width}, {len(TAGS)} tags"
    yield bench.row("boundary refinement of a weak map", setting, measurement, **limits)
    for name in ("test_resnet",) if bench.quick else ("test_resnet", "vgg16"):
        yield _map_row(bench, name, setting, image)


def _map_row(bench: Bench, name: str, setting: str, image: Tensor) -> Row:
    """Making a map and writing it, against the network's passes in it alone."""
    cfg, model = _build_classifier(name, bench.device)
    options = cfg.MODEL.PAM.MAPS
    labels = torch.zeros(cfg.MODEL.PAM.NUM_CLASSES, dtype=torch.bool)
    labels[list(TAGS)] = True
    inputs = [
        F.interpolate(image[None].float(), scale_factor=scale, mode="bilinear") for scale in SCALES
    ]

    @torch.no_grad()
    def run_network() -> None:
        for scaled in inputs:
            model.class_maps(scaled)
            model.class_maps(scaled.flip(-1))

    with tempfile.TemporaryDirectory() as folder:

        @torch.no_grad()
        def make_map() -> None:
            scores = image_scores(model, image, labels, options)[1]
            classes = labels.nonzero()[:, 0].to(bench.device)
            semantic_map = label_pixels(scores, classes, options.IGNORE_MARGIN)
            write_semantic_map(Path(folder, "map.png"), semantic_map.cpu().numpy())

        calls = {"network": run_network, "map": make_map}
        measured = measure_in_turn(calls, bench.device, min(bench.repeat, 3))
    factor = measured["map"].median / measured["network"].median
    return bench.row(
        "a weak map",
        f"{setting}, {name}, {len(SCALES)} scales mirrored",
        measured["map"],
        value=f"x {factor:.2f} of the classifier's passes",
    )


def _build_classifier(name: str, device: torch.device) -> tuple[CfgNode, PAMClassifier]:
    """The quick classifier (test_resnet) or the paper's (vgg16)."""
    cfg = default_config()
    cfg.MODEL.META_ARCHITECTURE = "PAMClassifier"
    cfg.MODEL.DEVICE = str(device)
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
    cfg.MODEL.PAM.NUM_CLASSES = 20
    cfg.MODEL.PAM.MAPS.SCALES = SCALES
    if name == "vgg16":
        cfg.MODEL.BACKBONE.NAME = "build_vgg16_backbone"
    else:
        cfg.MODEL.BACKBONE.NAME = "build_timm_backbone"
        cfg.MODEL.TIMM.NAME, cfg.MODEL.TIMM.OUTPUT_STRIDE, cfg.MODEL.TIMM.NORM = name, 8, "BN"
        cfg.MODEL.PAM.HEAD_CHANNELS = 64
    model = build_model(cfg)
    assert isinstance(model, PAMClassifier)
    return cfg, model.eval()
