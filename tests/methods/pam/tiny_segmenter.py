"""An untrained segmentation network of two classes, for the root of tiny_data."""

from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from bestie.training.setup import read_config

CONFIG = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: WeakMapSegmenter
  PIXEL_MEAN: [123.675, 116.280, 103.530]
  PIXEL_STD: [58.395, 57.120, 57.375]
  BACKBONE: {NAME: build_timm_backbone}
  TIMM: {NAME: test_resnet, NORM: BN}
  SEMANTIC:
    CHANNELS: 8
    MAPS: {SCALES: [1.0, 2.0], PAMR_DILATIONS: [1, 2], PAMR_ITERATIONS: 2}
INPUT:
  FORMAT: RGB
  DATASET_MAPPER_NAME: WeakMapMapper
  BASE_SIZE: 0
  CROP: {ENABLED: True, TYPE: absolute, SIZE: [32, 32]}
SOLVER: {IMS_PER_BATCH: 2, MAX_ITER: 2, WARMUP_ITERS: 0}
TEST: {EVALUATORS: []}
DATALOADER: {NUM_WORKERS: 0}
VERSION: 2
"""


def write_segmenter(folder: Path, name: str, *overrides: str) -> CfgNode:
    """Config of the network for data set ``name``, its random weights being in a file."""
    folder.mkdir(exist_ok=True)
    path, weights = folder / "config.yaml", folder / "model.pth"
    given = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", str(weights), *overrides]
    source = folder / "source.yaml"
    source.write_text(CONFIG)
    cfg = read_config(str(source), given)
    path.write_text(cfg.dump())  # as a training leaves it
    if not weights.is_file():
        torch.manual_seed(0)
        torch.save({"model": build_model(cfg).state_dict()}, weights)
    return cfg
