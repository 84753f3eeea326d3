"""Lengths that follow the size of the objects in the training data.

Widths of Gaussians and sides of windows are in pixels, and fit objects of one size. With
``MODEL.BESTIE.OBJECT_SIZE`` they are scaled to the objects of the data, whose size is read from
what the training trusts: components of the weak maps that hold exactly one point. No ground
truth is needed.
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from bestie.data.augmentation import InferenceSize, ResizeAndScale
from bestie.data.mappers import read_sample_map
from bestie.data.registration import sample_dicts
from bestie.formats import DataError
from bestie.methods.bestie.mapper import BESTIEMapper
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.regions.components import find_components

__all__ = ["ObjectSizes", "measure_objects", "scale_lengths"]

# Models that have these lengths.
MODELS = ("BESTIE", "RefinedLabels")
# About how many images are read; how many components a median needs.
SAMPLE, MIN_OBJECTS = 300, 10
# Shortest lengths, pixels: the network's maps have a quarter of the resolution, and this is
# the smallest window.
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
        training: True if a training follows; missing labels are then reported by its own checks.

    Returns:
        What was done, for the log.

    Raises:
        ValueError: the labels of the training are not available, and no training follows.
    """
    node = cfg.MODEL.BESTIE
    if not node.OBJECT_SIZE or cfg.MODEL.META_ARCHITECTURE not in MODELS:
        return []
    sizes = measure_objects(cfg, _some_dicts(cfg))
    if sizes is None:
        if training:
            return []
        raise ValueError(
            f"MODEL.BESTIE.OBJECT_SIZE {node.OBJECT_SIZE:g} takes lengths from the images, maps "
            "and points of the training, which are not available here. Use the config.yaml that "
            "the training wrote, which has the lengths, or set MODEL.BESTIE.OBJECT_SIZE to 0 and "
            "give lengths of your own."
        )
    made_for, node.OBJECT_SIZE = node.OBJECT_SIZE, 0.0
    if sizes.number < MIN_OBJECTS:
        return [
            f"Only {sizes.number} components hold exactly one point: sigma and windows of BESTIE "
            "stay as they are set."
        ]
    before = _lengths(node)
    factor = sizes.training / made_for
    node.SIGMA = max(min(MIN_SIGMA, node.SIGMA), round(node.SIGMA * factor, 2))
    node.REFINE.KERNEL = _odd(node.REFINE.KERNEL * factor)
    node.CLUSTER.MIN_DISTANCE = round(node.CLUSTER.MIN_DISTANCE * factor, 1)
    node.TEST.KERNEL = _odd(node.TEST.KERNEL * sizes.inference / made_for)
    changes = (f"{key} {before[key]:g} -> {new:g}" for key, new in _lengths(node).items())
    return [
        f"Objects have a side of {sizes.training:.0f} pixels in training and {sizes.inference:.0f} "
        f"at inference (median of {sizes.number} components with one point), the lengths are for "
        f"{made_for:g}: {', '.join(changes)}."
    ]


def _lengths(node: CfgNode) -> dict[str, float]:
    """Key under MODEL.BESTIE -> length that is scaled, pixels."""
    return {
        "SIGMA": node.SIGMA,
        "REFINE.KERNEL": node.REFINE.KERNEL,
        "TEST.KERNEL": node.TEST.KERNEL,
        "CLUSTER.MIN_DISTANCE": node.CLUSTER.MIN_DISTANCE,
    }


def measure_objects(cfg: CfgNode, dicts: list[dict]) -> ObjectSizes | None:
    """The size of the objects of the training data; None if nothing of it can be read.

    Args:
        cfg: of the training.
        dicts: dataset dicts of images of the training.
    """
    if not dicts:
        return None
    mapper = BESTIEMapper(**BESTIEMapper.from_config(cfg))
    resize = ResizeAndScale(cfg.INPUT.BASE_SIZE, [float(np.median(cfg.INPUT.SCALES))])
    read = list(_read(mapper, resize, dicts))
    if not read:
        return None
    training, inference = (np.concatenate(sides) for sides in zip(*read, strict=True))
    if not len(training):
        return ObjectSizes(0.0, 0.0, 0)
    return ObjectSizes(float(np.median(training)), float(np.median(inference)), len(training))


def _some_dicts(cfg: CfgNode) -> list[dict]:
    """Images of the training sets that are registered; none if one of them cannot be read."""
    registered = [name for name in cfg.DATASETS.TRAIN if name in DatasetCatalog.list()]
    try:
        return sample_dicts(registered, SAMPLE)
    except DataError:  # a check of the data reports it
        return []


def _read(
    mapper: BESTIEMapper, resize: ResizeAndScale, dicts: list[dict]
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Sides of the trusted components of each image, in training and at inference, pixels.

    The image itself is not read.
    """
    for record in dicts:
        photo = record["height"], record["width"]
        try:
            semantic_map = read_sample_map(record, mapper.maps_dir, photo)
            points = mapper.trusted_points(record)
        except DataError:  # a check of the data reports it
            continue
        assert points is not None  # training requires them
        seen = [max(1, round(side * resize.scales[0])) for side in resize.base_sides(*photo)]
        semantic_map = cv2.resize(semantic_map, seen[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        yx = InferenceSize.move_points(points.yx, photo, (seen[0], seen[1]))
        components = find_components(semantic_map, record.get("image_labels", ()), mapper.min_area)
        accepted = accept_components(components, yx, points.classes)
        sides = np.sqrt(components.areas[accepted])
        grid = mapper.test_size.grid(*photo) or photo
        yield sides, sides * max(grid) / max(seen)


def _odd(length: float) -> int:
    """The odd whole number next to a length, pixels."""
    return max(MIN_KERNEL, 2 * round((length - 1) / 2) + 1)
