"""Prediction on any image files: overlays and a COCO JSON of the instances.

Takes a config with MODEL.WEIGHTS and image files, which need not belong to a data set, and writes
one picture per image and one JSON.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from bestie.data import build_mapper, register_dataset
from bestie.evaluation.coco_export import coco_labels, label_annotations
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import DataError, read_image, write_coco
from bestie.formats.images import PHOTO_SUFFIXES, list_photos
from bestie.method import METHODS, predicts
from bestie.progress import track
from bestie.training.class_counts import stored_class_count
from bestie.training.setup import load_model, merge_config
from bestie.visualization import LayerSettings
from bestie.visualization.canvas import save_jpeg
from bestie.visualization.layers import ImageLayers

__all__ = ["DemoResult", "demo_overrides", "find_images", "run_demo", "unreadable_text"]

logger = logging.getLogger(__name__)

OVERLAYS, PREDICTIONS = "overlays", "predictions.json"
# Small images are drawn larger than they are, so that letters fit on their instances, pixels.
MIN_SIDE = 480


@dataclass
class DemoResult:
    """What :func:`run_demo` did.

    Attributes:
        images: number of images with an overlay.
        instances: number of instances in the json.
        unreadable: images that could not be read, and why.
    """

    images: int = 0
    instances: int = 0
    unreadable: list[DataError] = field(default_factory=list)


def find_images(inputs: Sequence[str | os.PathLike], output: str | os.PathLike) -> list[Path]:
    """Image files: those that are named, and all in the folders that are named, sorted, each once.

    A file that is named in several ways, or reached by a link too, counts once.

    Files in ``output``, which may be overlays of an earlier run, are skipped.

    Raises:
        DataError: a name that does not exist, a folder without images.
    """
    found: dict[Path, Path] = {}  # by the file itself
    for name in map(Path, inputs):
        if name.is_dir():
            inside = [
                path
                for path in list_photos(name)
                if path.is_file() and not path.resolve().is_relative_to(Path(output).resolve())
            ]
            if not inside:
                raise DataError(f"holds no images ({', '.join(PHOTO_SUFFIXES)})", name)
            for path in inside:
                found.setdefault(path.resolve(), path)
        elif name.is_file():
            found.setdefault(name.resolve(), name)
        else:
            raise DataError("is not a file or folder", name)
    return list(found.values())


def demo_overrides(
    config_file: str, overrides: Sequence[str], class_names: Sequence[str] = ()
) -> list[Any]:
    """Overrides for images outside any data set; sets DATASETS.CLASS_NAMES, one name per class.

    The names are ``class_names``, or those that the config keeps (a training writes them into its
    ``config.yaml``), or those of its data where available.

    Raises:
        ValueError: mistakes in the config, a classifier, or unknown classes.
    """
    cfg = merge_config(config_file, list(overrides))
    if predicts(cfg) != "instances":
        raise ValueError(
            f"{cfg.MODEL.META_ARCHITECTURE} does not predict instances; give the training of a "
            "model that does"
        )
    names = list(class_names or cfg.DATASETS.CLASS_NAMES)
    names = names or _names_of_data([*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
    number = stored_class_count(cfg)
    if class_names and number not in (-1, len(names)):
        raise ValueError(f"--classes holds {len(names)} names, the model has {number} classes")
    if not names:
        if number < 1:
            raise ValueError(
                "the classes are unknown: the config names none and its data is not available; "
                "give --classes FILE, one name per line"
            )
        logger.warning("The names of the %d classes are not known; --classes gives them.", number)
        names = [f"class {index}" for index in range(number)]
    settings: list[Any] = ["DATASETS.TRAIN", (), "DATASETS.TEST", ()]
    settings += ["DATASETS.CLASS_NAMES", names]
    for method in METHODS.values():
        settings += [part for key in method.label_keys.values() for part in (key, False)]
    return [*overrides, *settings]


def run_demo(
    cfg: CfgNode,
    images: Sequence[Path],
    output: str | os.PathLike,
    *,
    min_score: float = 0.3,
    side: int = 1024,
) -> DemoResult:
    """Write ``overlays/<image>.jpg`` and ``predictions.json``.

    Args:
        cfg: with :func:`demo_overrides` and MODEL.WEIGHTS.
        images: files; those that cannot be read are skipped and reported.
        output: folder to write.
        min_score: instances need it to be drawn; the json has all.
        side: longest side of an overlay, pixels.

    Raises:
        ValueError: weights that do not fit, or no image that can be read.
    """
    model, mapper = load_model(cfg), build_mapper(cfg, is_train=False)
    root = os.path.commonpath([path.resolve().parent for path in images])
    names = list(cfg.DATASETS.CLASS_NAMES)
    records: list[dict[str, Any]] = []
    annotations: list[list[dict[str, Any]]] = []
    result = DemoResult()
    for path in track(images, "drawing"):
        try:
            height, width = read_image(path).shape[:2]
        except DataError as error:
            result.unreadable.append(error)
            continue
        record = {"file_name": str(path.resolve()), "height": height, "width": width}
        record["image_id"] = len(records) + 1
        with torch.no_grad():
            labels = LabelledMasks.from_instances(model([mapper(record)])[0]["instances"])
            found = label_annotations(labels.select(labels.areas() > 0))
        settings = LayerSettings(
            names, min(side, max(height, width, MIN_SIDE)), score_thresh=min_score
        )
        overlay = ImageLayers(record, settings).draw_annotations(
            [a | {"class_id": a["category_id"] - 1} for a in found]
        )
        save_jpeg(Path(output, OVERLAYS, _overlay_name(path, root)), overlay)
        records.append(record)
        annotations.append(found)
    if not records:
        raise ValueError(f"none of the images can be read: {unreadable_text(result.unreadable)}")
    description = f"instances predicted by {cfg.MODEL.META_ARCHITECTURE}"
    coco = coco_labels(records, annotations, names, root, description)
    write_coco(Path(output, PREDICTIONS), coco)
    result.images, result.instances = len(records), len(coco["annotations"])
    return result


def unreadable_text(errors: Sequence[DataError], shown: int = 3) -> str:
    """The first errors in one line."""
    more = f"; and {len(errors) - shown} more" if len(errors) > shown else ""
    return "; ".join(map(str, errors[:shown])) + more


def _names_of_data(datasets: Sequence[str]) -> list[str]:
    """Classes of the first data set that is available."""
    for name in datasets:
        try:
            register_dataset(name)
        except ValueError:
            continue
        return list(MetadataCatalog.get(name).thing_classes)
    return []


def _overlay_name(path: Path, root: str) -> str:
    """Path of an image below ``root``, as a JPEG: "b.png" becomes "b.png.jpg"."""
    name = os.path.relpath(path.resolve(), root)
    return name if path.suffix.lower() in (".jpg", ".jpeg") else f"{name}.jpg"
