"""The supervision ledger: what labels went into the files of a folder.

Comes in: a config and what a stage consumed. Goes out: ``supervision_ledger.json`` in the folder
that the stage writes, an entry a split. Called by ``bestie.engine.classifier_stage``.
"""

import json
import os
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from bestie.engine.setup import merge_config
from bestie.files import DataError, atomic_write, hash_file

__all__ = [
    "IMAGENET_LABELS",
    "LEDGER",
    "UNKNOWN_LABELS",
    "backbone_weights",
    "classifier_entry",
    "read_ledger",
    "write_ledger_entry",
]

LEDGER = "supervision_ledger.json"
# What torchvision's VGG16 weights, timm's and Detectron2's backbones were trained with.
IMAGENET_LABELS = "ImageNet-1k image labels"
UNKNOWN_LABELS = "not known"
# Torchvision's name of its VGG16 weights; the digits are the file's SHA-256.
TORCHVISION_VGG16 = "vgg16-397923af.pth"


def classifier_entry(
    cfg: CfgNode, stage: str, dataset_name: str, images: int, settings: CfgNode
) -> dict:
    """What a stage consumes that runs the classifier of ``cfg``.

    Args:
        cfg: of the classifier, with MODEL.WEIGHTS.
        stage: what is made ("instance cues").
        dataset_name: data set whose tags and images are used.
        images: how many.
        settings: keys that decide about the result, beside those that the network reads.

    Raises:
        OSError: there is no file MODEL.WEIGHTS.
    """
    weights = PathManager.get_local_path(cfg.MODEL.WEIGHTS)
    trained = _config_of_training(weights)
    network = {
        "MODEL.BACKBONE.NAME": cfg.MODEL.BACKBONE.NAME,
        "MODEL.PAM.ALPHA": cfg.MODEL.PAM.ALPHA,
        "MODEL.PIXEL_MEAN": cfg.MODEL.PIXEL_MEAN,
        "MODEL.PIXEL_STD": cfg.MODEL.PIXEL_STD,
        "INPUT.FORMAT": cfg.INPUT.FORMAT,
    }
    if cfg.INPUT.TEST_SIZE:  # files of before there was this key were made at the original size
        network["INPUT.TEST_SIZE"] = cfg.INPUT.TEST_SIZE
    return {
        "stage": stage,
        "consumed": [{"labels": "image tags", "data set": dataset_name, "images": images}],
        "classifier": {
            "file": os.path.basename(cfg.MODEL.WEIGHTS),
            "sha256": hash_file(weights),
            "labels": "image tags",
            "data sets": list(trained.DATASETS.TRAIN) if trained else UNKNOWN_LABELS,
            "pretrained": _pretrained_weights(trained),
        },
        "settings": json.loads(json.dumps(network | dict(settings))),
    }


def read_ledger(folder: str | os.PathLike) -> dict[str, dict]:
    """Split -> entry; empty if the folder has no ledger.

    Raises:
        DataError: it is no well-formed json.
    """
    path = Path(folder, LEDGER)
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"is no well-formed json ({error.msg})", path, error.lineno) from None
    except UnicodeDecodeError:
        raise DataError("is no UTF-8 text", path) from None


def write_ledger_entry(folder: str | os.PathLike, split: str, entry: dict) -> None:
    """Add or replace the entry of a split, atomically."""
    with atomic_write(Path(folder, LEDGER)) as file:
        json.dump(read_ledger(folder) | {split: entry}, file, indent=2)
        file.write("\n")


def backbone_weights(cfg: CfgNode) -> tuple[str, str] | None:
    """File that the backbone starts from, "" for random weights, and the labels behind it.

    None for backbones that have no key for such a file. Labels that no key tells are known of
    torchvision's VGG16, by the file's name, and of timm's own weights.
    """
    model = cfg.MODEL
    if model.BACKBONE.NAME == "build_vgg16_backbone":
        file, labels = model.PAM.VGG_WEIGHTS, model.PAM.VGG_WEIGHTS_LABELS
        is_imagenet = os.path.basename(file) == TORCHVISION_VGG16
    elif "timm" in model.BACKBONE.NAME:
        file, labels = model.TIMM.WEIGHTS, model.TIMM.WEIGHTS_LABELS
        is_imagenet = file == "timm"
    else:
        return None
    return file, labels or (IMAGENET_LABELS if is_imagenet else UNKNOWN_LABELS)


def _config_of_training(weights: str) -> CfgNode | None:
    """The config that the training left beside its checkpoints; None without a readable one."""
    path = Path(weights).with_name("config.yaml")
    try:
        return merge_config(str(path), []) if path.is_file() else None
    except ValueError:  # of another version, or of something else
        return None


def _pretrained_weights(cfg: CfgNode | None) -> dict[str, str] | None:
    """File that the backbone's training started from, and its labels; None: random weights."""
    if cfg is None:
        reason = "no config.yaml of the training beside the weights"
    elif (weights := backbone_weights(cfg)) is None:
        reason = f"{cfg.MODEL.BACKBONE.NAME} does not record what it started from"
    else:
        file, labels = weights
        return {"file": os.path.basename(file), "labels": labels} if file else None
    return {"file": UNKNOWN_LABELS, "labels": f"{UNKNOWN_LABELS}: {reason}"}
