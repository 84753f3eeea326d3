"""Lengths that follow the size of the objects in the training data.

Widths of Gaussians and sides of windows are in pixels, and fit objects of one size. With
``MODEL.BESTIE.OBJECT_SIZE`` they are scaled to the objects of the data, whose size is read from
what the training trusts: components of the weak maps that hold exactly one point. No truth is
needed.
"""

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from bestie.data.augmentation import ResizeAndScale
from bestie.formats import DataError
from bestie.methods.bestie.mapper import BESTIEMapper

__all__ = ["ObjectSizes", "measure_objects", "scale_lengths"]

# Images that are read, at most.
SAMPLE = 300
# Shortest lengths, pixels: the network's maps have a quarter of the resolution, and a smaller
# window is none.
MIN_SIGMA, MIN_KERNEL = 2.0, 3


class ObjectSizes(NamedTuple):
    """Median side of N objects (square root of the area), pixels as the network sees them.

    Attributes:
        training: in training, at the median of INPUT.SCALES.
        inference: on the grid on which instances are grouped.
        number: N.
    """

    training: float
    inference: float
    number: int


def scale_lengths(cfg: CfgNode, training: bool) -> list[str]:
    """Scale SIGMA, REFINE.KERNEL, CLUSTER.MIN_DISTANCE and TEST.KERNEL to the data, in place.

    MODEL.BESTIE.OBJECT_SIZE becomes 0: the lengths are final then.

    Args:
        cfg: with the data sets registered; OBJECT_SIZE 0: nothing is done.
        training: whether a training follows; it reports itself which labels it lacks.

    Returns:
        What was done, for the log.

    Raises:
        ValueError: the labels of the training are not there, and no training follows.
    """
    node = cfg.MODEL.BESTIE
    if not node.OBJECT_SIZE:
        return []
    registered = [name for name in cfg.DATASETS.TRAIN if name in DatasetCatalog.list()]
    dicts = [record for name in registered for record in DatasetCatalog.get(name)]
    sizes = measure_objects(cfg, dicts)
    if sizes is None:
        if training:
            return []
        raise ValueError(
            f"MODEL.BESTIE.OBJECT_SIZE {node.OBJECT_SIZE:g} takes lengths from the data of the "
            f"training, and its images, maps or points are not there (DATASETS.TRAIN "
            f"{tuple(cfg.DATASETS.TRAIN)}, INPUT.MAPS_DIR {cfg.INPUT.MAPS_DIR}); use the "
            "config.yaml that the training wrote, which has them."
        )
    made_for, node.OBJECT_SIZE = node.OBJECT_SIZE, 0.0
    if not sizes.number:
        return ["No component holds exactly one point: sigma and windows of BESTIE are as set."]
    factor = sizes.training / made_for
    node.SIGMA = max(MIN_SIGMA, round(node.SIGMA * factor, 2))
    node.REFINE.KERNEL = _odd(node.REFINE.KERNEL * factor)
    node.CLUSTER.MIN_DISTANCE = round(node.CLUSTER.MIN_DISTANCE * factor, 1)
    node.TEST.KERNEL = _odd(node.TEST.KERNEL * sizes.inference / made_for)
    return [
        f"Objects have a side of {sizes.training:.0f} pixels in training and {sizes.inference:.0f} "
        f"at inference (median of {sizes.number} components with one point; the settings were for "
        f"{made_for:g}): sigma {node.SIGMA:g}, windows {node.REFINE.KERNEL} and "
        f"{node.TEST.KERNEL}, distance of proposals {node.CLUSTER.MIN_DISTANCE:g}."
    ]


def measure_objects(cfg: CfgNode, dicts: list[dict]) -> ObjectSizes | None:
    """The size of the objects of the training data; None if nothing of it can be read.

    Args:
        cfg: of the training.
        dicts: dataset dicts of the training.
    """
    if not dicts:
        return None
    resize = ResizeAndScale(cfg.INPUT.BASE_SIZE, [float(np.median(cfg.INPUT.SCALES))])
    settings = {"augmentation": (resize,), "split": 0.0, "copy_paste": 0.0}
    mapper = BESTIEMapper(**BESTIEMapper.from_config(cfg) | settings)
    read = list(_read(mapper, dicts[:: ceil(len(dicts) / SAMPLE)]))
    if not read:
        return None
    training, inference = (np.concatenate(sides) for sides in zip(*read, strict=True))
    if not len(training):
        return ObjectSizes(0.0, 0.0, 0)
    return ObjectSizes(float(np.median(training)), float(np.median(inference)), len(training))


def _read(mapper: BESTIEMapper, dicts: list[dict]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Sides of the trusted components of each image, in training and at inference, pixels."""
    for record in dicts:
        try:
            sample = mapper(record)
        except DataError:  # a check of the data reports it
            continue
        areas = np.bincount(sample["components"].numpy().ravel())[1:]
        trusted = sample["component_confidence"].numpy() == 1
        sides = np.sqrt(areas[trusted])
        photo = sample["height"], sample["width"]
        grid = mapper.test_size.grid(*photo) or photo
        yield sides, sides * max(grid) / max(sample["components"].shape)


def _odd(length: float) -> int:
    """The odd whole number next to a length, pixels."""
    return max(MIN_KERNEL, 2 * round((length - 1) / 2) + 1)
