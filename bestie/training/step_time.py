"""How long a training takes on this computer, from a step that is measured before it starts.

The step runs on a noise image with one labelled object, which every mapper of this project takes,
so no data set and no label of an earlier stage is needed.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import BoxMode
from detectron2.utils.events import EventStorage
from PIL import Image
from torch import nn

from bestie.data import build_mapper
from bestie.formats import DatasetFolder, encode_mask, write_semantic_map
from bestie.formats.dataset_folder import CLICKS
from bestie.formats.text import Points

__all__ = ["training_seconds"]

# A usual photo, pixels (height, width).
SIZE = (375, 500)
# Images of the measured step, at most; batch norm needs two.
IMAGES = 2


def training_seconds(model: nn.Module, cfg: CfgNode) -> float:
    """Seconds of all steps of a training on the CPU, whatever the number of its processes.

    Evaluation and the start of the process are not in it.

    Args:
        model: of ``cfg``, on the CPU; its batch norms and gradients are changed.
        cfg: of the training.
    """
    count = min(IMAGES, cfg.SOLVER.IMS_PER_BATCH)
    with tempfile.TemporaryDirectory() as root:
        record, cfg = _write_sample(DatasetFolder(root), cfg)
        mapper = build_mapper(cfg, is_train=True)
        model.train()
        _step(model, [mapper(record) for _ in range(count)], cfg)  # prepares convolutions
        start = time.perf_counter()
        _step(model, [mapper(record) for _ in range(count)], cfg)
        seconds = time.perf_counter() - start
    return seconds * cfg.SOLVER.IMS_PER_BATCH / count * cfg.SOLVER.MAX_ITER


def _step(model: nn.Module, batch: list[dict[str, Any]], cfg: CfgNode) -> None:
    with EventStorage(cfg.SOLVER.MAX_ITER - 1):  # what starts later in the training counts
        with torch.autocast("cpu", torch.bfloat16, enabled=cfg.SOLVER.AMP.ENABLED):
            losses = model(batch)
    model.zero_grad(set_to_none=True)
    torch.stack([loss for loss in losses.values()]).sum().backward()


def _write_sample(folder: DatasetFolder, cfg: CfgNode) -> tuple[dict[str, Any], CfgNode]:
    """Files and record of one image with a box of class 0; the config that reads them."""
    mask = np.zeros(SIZE, bool)
    mask[SIZE[0] // 4 : 3 * SIZE[0] // 4, SIZE[1] // 4 : 3 * SIZE[1] // 4] = True
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    file_name = Path(folder.image_file("noise", ".png"))
    file_name.parent.mkdir()
    Image.fromarray(image).save(file_name)
    write_semantic_map(folder.map_file("noise"), mask.astype(np.uint8))
    middle = np.array([[SIZE[0] // 2, SIZE[1] // 2]])
    folder.write_points("noise", Points(middle, np.array([0]), np.array([1.0])))
    rle = encode_mask(mask)
    annotation = {
        "bbox": [SIZE[1] // 4, SIZE[0] // 4, SIZE[1] // 2, SIZE[0] // 2],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": 0,
        "segmentation": rle,
        "rough": rle,
        "iscrowd": 0,
    }
    record = {
        "file_name": str(file_name),
        "image_name": "noise",
        "image_id": 1,
        "root": str(folder.root),
        "height": SIZE[0],
        "width": SIZE[1],
        "image_labels": [0],
        "annotations": [annotation],
    }
    cfg = cfg.clone()
    cfg.defrost()
    cfg.INPUT.POINTS_DIR = str(Path(folder.points_file("noise", CLICKS)).parent)
    cfg.INPUT.MAPS_DIR = folder.map_folder
    return record, cfg
