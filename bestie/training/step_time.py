"""How long a training takes on this computer, from a step that is measured before it starts.

The step runs on a noise image with one labelled object, which every mapper of this project takes,
so no data set and no label of an earlier stage is needed.
"""

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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

# Images of the measured step, at most; batch norm needs two.
IMAGES = 2
# Sides of the noise image, at least, pixels.
MIN_SIDE = 32


def training_seconds(model: nn.Module, cfg: CfgNode, side: int) -> float:
    """Seconds of all steps of a training on the CPU, whatever the number of its processes.

    Evaluation and the start of the process are not in it.

    Args:
        model: of ``cfg``, on the CPU; its batch norms and gradients are changed.
        cfg: of the training.
        side: longer side of a usual image of the data, pixels.
    """
    count = min(IMAGES, cfg.SOLVER.IMS_PER_BATCH)
    size = (max(MIN_SIDE, side * 3 // 4), max(MIN_SIDE, side))
    with tempfile.TemporaryDirectory() as root, _without_warnings():
        record, cfg = _write_sample(DatasetFolder(root), cfg, size)
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
    torch.stack(list(losses.values())).sum().backward()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The libraries' warnings stand in the log of the training itself; here they would only
    disturb a person."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_sample(
    folder: DatasetFolder, cfg: CfgNode, size: tuple[int, int]
) -> tuple[dict[str, Any], CfgNode]:
    """Files and record of one image with a box of class 0; the config that reads them.

    Args:
        folder: an empty root.
        cfg: of the training.
        size: (height, width) of the image, pixels.
    """
    height, width = size
    mask = np.zeros(size, bool)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    file_name = Path(folder.image_file("noise", ".png"))
    file_name.parent.mkdir()
    Image.fromarray(image).save(file_name)
    write_semantic_map(folder.map_file("noise"), mask.astype(np.uint8))
    middle = np.array([[height // 2, width // 2]])
    folder.write_points("noise", Points(middle, np.array([0]), np.array([1.0])))
    rle = encode_mask(mask)
    annotation = {
        "bbox": [width // 4, height // 4, width // 2, height // 2],
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
        "height": height,
        "width": width,
        "image_labels": [0],
        "annotations": [annotation],
    }
    cfg = cfg.clone()
    cfg.defrost()
    cfg.INPUT.POINTS_DIR = str(Path(folder.points_file("noise", CLICKS)).parent)
    cfg.INPUT.MAPS_DIR = folder.map_folder
    return record, cfg
