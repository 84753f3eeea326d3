import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model

from bestie.formats import Points, write_points
from bestie.training.export import export_pseudo_labels
from bestie.training.setup import read_config
from tests.evaluation.tiny_data import OBJECTS, write_root

BESTIE = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: BESTIE
  PIXEL_MEAN: [123.675, 116.280, 103.530]
  PIXEL_STD: [58.395, 57.120, 57.375]
  BACKBONE: {NAME: build_timm_backbone}
  TIMM: {NAME: hrnet_w18_small, NORM: BN}
  BESTIE: {SUPERVISION: clicks, MIN_AREA: 1}
INPUT: {CROP: {ENABLED: True, TYPE: absolute, SIZE: [32, 32]}}
DATALOADER: {NUM_WORKERS: 0}
"""
MASK_RCNN = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: GeneralizedRCNN
  MASK_ON: True
  BACKBONE: {NAME: build_resnet_fpn_backbone}
  RESNETS: {DEPTH: 18, RES2_OUT_CHANNELS: 64, OUT_FEATURES: [res2, res3, res4, res5]}
  FPN: {IN_FEATURES: [res2, res3, res4, res5], OUT_CHANNELS: 16}
  RPN: {IN_FEATURES: [p2, p3, p4, p5, p6]}
  ANCHOR_GENERATOR: {SIZES: [[32], [64], [128], [256], [512]]}
  ROI_HEADS: {NAME: StandardROIHeads, IN_FEATURES: [p2, p3, p4, p5], SCORE_THRESH_TEST: 0.0}
  ROI_BOX_HEAD: {NAME: FastRCNNConvFCHead, NUM_FC: 1, FC_DIM: 16}
  ROI_MASK_HEAD: {NAME: MaskRCNNConvUpsampleHead, NUM_CONV: 1, CONV_DIM: 16}
INPUT: {DATASET_MAPPER_NAME: InstanceMapper, MASK_FORMAT: bitmask, MIN_SIZE_TEST: 64}
TEST: {DETECTIONS_PER_IMAGE: 1000}
DATALOADER: {NUM_WORKERS: 0}
"""


def write_checkpoint(folder: Path, text: str, name: str):
    """Config of an untrained model whose weights are in a file; cats come before dogs."""
    path = folder / "config.yaml"
    path.write_text(text)
    overrides = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", str(folder / "model.pth")]
    cfg = read_config(str(path), overrides)
    torch.manual_seed(0)
    model = build_model(cfg)
    with torch.no_grad():
        if cfg.MODEL.META_ARCHITECTURE == "BESTIE":
            model.head.semantic[-1].bias.copy_(torch.tensor([0.0, 20.0, 10.0]))
        else:  # every box is full and as likely a cat as a dog
            model.roi_heads.mask_head.predictor.bias.fill_(20.0)
            model.roi_heads.box_predictor.cls_score.weight.zero_()
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    return cfg


def classes_per_image(path: Path) -> list[Counter]:
    content = json.loads(path.read_text())
    return [
        Counter(
            entry["category_id"] - 1
            for entry in content["annotations"]
            if entry["image_id"] == image["id"]
        )
        for image in content["images"]
    ]


def test_bestie_with_and_without_tags_and_clicks(tmp_path):
    root, output = tmp_path / "root", tmp_path / "labels.json"
    name = write_root(root)
    for number, boxes in enumerate(OBJECTS):
        yx = np.array([[(b[1] + b[3]) / 2, (b[2] + b[4]) / 2] for b in boxes]).reshape(-1, 2)
        points = Points(yx, np.array([b[0] for b in boxes], int), np.ones(len(boxes), np.float32))
        write_points(root / "Center_points" / f"img{number}.txt", points)
    cfg = write_checkpoint(tmp_path, BESTIE, name)
    summary = export_pseudo_labels(cfg, name, output)
    # Every pixel is a cat where there is one, else a dog: the clicks of that class divide them.
    assert classes_per_image(output) == [{0: 2}, {1: 1}, {}, {0: 1}, {1: 1}]
    assert summary.labels == 5
    export_pseudo_labels(cfg, name, output, use_clicks=False)
    found = classes_per_image(output)
    assert [set(counts) for counts in found] == [{0}, {1}, set(), {0}, {1}]
    export_pseudo_labels(cfg, name, output, use_tags=False, use_clicks=False)
    assert [set(counts) for counts in classes_per_image(output)] == [{0}] * 5
    assert not cfg.MODEL.BESTIE.TEST.USE_TAGS and not cfg.MODEL.BESTIE.TEST.USE_CLICKS


def test_clicks_that_are_missing_are_named(tmp_path):
    name = write_root(tmp_path / "root")
    cfg = write_checkpoint(tmp_path, BESTIE, name)
    with pytest.raises(ValueError, match="Center_points/img0.txt: file does not exist"):
        export_pseudo_labels(cfg, name, tmp_path / "labels.json")


def test_mask_rcnn_is_restricted_to_the_tags(tmp_path):
    name, output = write_root(tmp_path / "root"), tmp_path / "labels.json"
    cfg = write_checkpoint(tmp_path, MASK_RCNN, name)
    export_pseudo_labels(cfg, name, output, use_tags=False)
    everything = classes_per_image(output)
    assert all(counts[0] and counts[1] for counts in everything)
    export_pseudo_labels(cfg, name, output)
    tags = [{box[0] for box in boxes} for boxes in OBJECTS]
    expected = [
        {class_id: counts[class_id] for class_id in of_image}
        for counts, of_image in zip(everything, tags, strict=True)
    ]
    assert classes_per_image(output) == expected


def test_the_classifier_is_refused(tmp_path):
    name = write_root(tmp_path / "root")
    (tmp_path / "config.yaml").write_text("MODEL: {META_ARCHITECTURE: PAMClassifier, DEVICE: cpu}")
    cfg = read_config(str(tmp_path / "config.yaml"), [], training=False)
    with pytest.raises(ValueError, match="predicts no instances"):
        export_pseudo_labels(cfg, name, tmp_path / "labels.json")
