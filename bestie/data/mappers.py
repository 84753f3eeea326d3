"""Mappers: from a dataset dict to the input of a model.

A mapper takes a dict of ``DatasetCatalog.get`` and returns tensors on the CPU; it runs in the
workers of the loaders. ``INPUT.DATASET_MAPPER_NAME`` selects one from ``MAPPER_REGISTRY``. Its
class says what it reads, for the checks (:class:`ReadsImages`).

Labels are sent in a sparse form: the components of the weak semantic map with class and centroid,
how far semantic knowledge transfer trusts them, and the points. Dense targets are drawn on the
training device. Shape letters: H, W the crop (or image), C classes, P points, K components.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from fvcore.common.registry import Registry
from torch import Tensor

from bestie.formats import DataError, read_image, read_semantic_map

__all__ = ["MAPPER_REGISTRY", "ReadsImages", "build_mapper", "mapper_class", "points_folder"]

MAPPER_REGISTRY = Registry("MAPPER")
MAPPER_REGISTRY.__doc__ = "Classes called with a dataset dict; built from (cfg, is_train)."

_COPIED_KEYS = ("file_name", "image_id", "height", "width")


class ReadsImages:
    """What the checks ask of the class of a mapper; a mapper that reads more overrides it.

    Attributes:
        trains_on: "folder" or "coco", the data sets that it trains on; "": both.
        size_keys: keys of the size of its training samples, in words.
    """

    trains_on = ""
    size_keys = "the size of the images"

    @classmethod
    def training_needs(cls, cfg: CfgNode) -> set[str]:
        """What of a training set it reads (see ``data.checks.dataset.NEEDS``)."""
        return {"images"}

    @classmethod
    def testing_needs(cls, cfg: CfgNode) -> set[str]:
        """What of a test set it, or the model that it serves, reads."""
        return {"images"}

    @classmethod
    def points_folder(cls, cfg: CfgNode) -> str:
        """Folder of the points that it reads if INPUT.POINTS_DIR names none.

        Raises:
            ValueError: it reads no points, or settings do not say which.
        """
        raise ValueError(f"{cfg.INPUT.DATASET_MAPPER_NAME} reads no points")


def mapper_class(cfg: CfgNode) -> Any:
    """The class that INPUT.DATASET_MAPPER_NAME names; it answers what ``ReadsImages`` does.

    Raises:
        ValueError: an unknown name.
    """
    name = cfg.INPUT.DATASET_MAPPER_NAME
    if name not in MAPPER_REGISTRY:
        known = ", ".join(sorted(key for key, _ in MAPPER_REGISTRY))
        raise ValueError(f"INPUT.DATASET_MAPPER_NAME must be one of {known}, got '{name}'.")
    return MAPPER_REGISTRY.get(name)


def build_mapper(cfg: CfgNode, is_train: bool) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Build the mapper that INPUT.DATASET_MAPPER_NAME names.

    Raises:
        ValueError: an unknown name, or INPUT settings that it cannot work with.
    """
    return mapper_class(cfg)(cfg, is_train)


def points_folder(cfg: CfgNode) -> str:
    """INPUT.POINTS_DIR, or the folder that the mapper reads without it.

    Raises:
        ValueError: the mapper reads no points, or settings do not say which.
    """
    return cfg.INPUT.POINTS_DIR or mapper_class(cfg).points_folder(cfg)


def read_sample_image(dataset_dict: dict[str, Any], image_format: str) -> np.ndarray:
    image = read_image(dataset_dict["file_name"], image_format)
    listed = (dataset_dict.get("height"), dataset_dict.get("width"))
    if None not in listed and image.shape[:2] != listed:
        raise DataError(
            f"has {image.shape[:2]} pixels (height, width); the data set's json says {listed}",
            dataset_dict["file_name"],
        )
    return image


def label_path(dataset_dict: dict[str, Any], folder: str, suffix: str) -> str | None:
    """``ROOT/<folder>/<id><suffix>``, or None for a data set without a root (coco:)."""
    if "root" not in dataset_dict:
        return None
    return os.path.join(dataset_dict["root"], folder, _image_name(dataset_dict) + suffix)


def read_sample_map(dataset_dict: dict[str, Any], folder: str, size: tuple[int, int]) -> np.ndarray:
    """The weak semantic map of an image from ``ROOT/<folder>``, (H, W) uint8.

    Args:
        dataset_dict: of the image.
        folder: INPUT.MAPS_DIR.
        size: height and width of the image.

    Raises:
        DataError: there is none, or it is of another size.
    """
    path = label_path(dataset_dict, folder, ".png")
    semantic_map = read_semantic_map(required_path(path, dataset_dict, "a semantic map"))
    if semantic_map.shape != size:
        raise DataError(
            f"has {semantic_map.shape} pixels (height, width), its image {size}",
            path,
        )
    return semantic_map


def sample_identity(dataset_dict: dict[str, Any]) -> dict[str, Any]:
    """Entries copied into the sample; data sets of Detectron2 have no ``image_name``."""
    copied = {key: dataset_dict[key] for key in _COPIED_KEYS if key in dataset_dict}
    return copied | {"image_name": _image_name(dataset_dict)}


def _image_name(dataset_dict: dict[str, Any]) -> str:
    return dataset_dict.get("image_name") or Path(dataset_dict["file_name"]).stem


def required_path(path: str | None, dataset_dict: dict[str, Any], what: str) -> str:
    if path is None:
        raise DataError(
            f"has no {what}; only data sets with a root have them: folder:ROOT:SPLIT",
            dataset_dict["file_name"],
        )
    return path


def required_tags(dataset_dict: dict[str, Any], num_classes: int) -> Tensor:
    """(C,) bool."""
    if "image_labels" not in dataset_dict:
        raise DataError(
            "has no tags; a line of image_labels.txt or Annotations/<id>.xml is expected",
            dataset_dict["file_name"],
        )
    labels = torch.zeros(num_classes, dtype=torch.bool)
    labels[dataset_dict["image_labels"]] = True
    return labels


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 array -> (3, H, W) uint8 tensor."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
