"""An untrained classifier of two classes whose maps are positive, for the root of tiny_data."""

from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from bestie.training.setup import read_config

CONFIG = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: PAMClassifier
  PIXEL_MEAN: [123.675, 116.280, 103.530]
  PIXEL_STD: [58.395, 57.120, 57.375]
  BACKBONE: {NAME: build_timm_backbone}
  TIMM: {NAME: resnet18, NORM: BN}
  PAM:
    HEAD_CHANNELS: 8
    CUES: {IMAGE_SIZE: 64, KERNEL: 3}
    MAPS: {SCALES: [1.0, 2.0], PAMR_DILATIONS: [1, 2], PAMR_ITERATIONS: 2}
INPUT: {FORMAT: RGB, DATASET_MAPPER_NAME: PAMMapper}
TEST: {EVALUATORS: [tags]}
DATALOADER: {NUM_WORKERS: 0}
VERSION: 2
"""


def write_classifier(folder: Path, name: str, *overrides: str) -> CfgNode:
    """Config of a classifier for data set ``name``, its random weights being in a file."""
    folder.mkdir(exist_ok=True)
    path, weights = folder / "config.yaml", folder / "model.pth"
    path.write_text(CONFIG)
    given = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", str(weights), *overrides]
    cfg = read_config(str(path), given)
    if not weights.is_file():
        torch.manual_seed(0)
        model = build_model(cfg)
        with torch.no_grad():
            model.head.classifier.weight.abs_()
            model.head.classifier.bias.fill_(0.1)
        torch.save({"model": model.state_dict()}, weights)
    return cfg
