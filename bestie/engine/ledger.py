"""The supervision ledger: what labels went into the files of a folder.

Comes in: a config and what a stage consumed. Goes out: ``supervision_ledger.json`` in the folder
that the stage writes, an entry a split. Called by ``bestie.engine.classifier_stage``.
"""

import json
import os
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from bestie.files import DataError, atomic_write, hash_file

__all__ = [
    "IMAGENET_LABELS",
    "LEDGER",
    "UNKNOWN_LABELS",
    "classifier_entry",
    "labels_of_timm_weights",
    "read_ledger",
    "write_ledger_entry",
]

LEDGER = "supervision_ledger.json"
# What torchvision's VGG16 weights, timm's and Detectron2's backbones were trained with.
IMAGENET_LABELS = "ImageNet-1k image labels"
UNKNOWN_LABELS = "not known"


def classifier_entry(
    cfg: CfgNode, stage: str, dataset_name: str, images: int, settings: CfgNode
) -> dict:
    """What a stage consumes that runs the classifier of ``cfg``.

    Args:
        cfg: of the classifier, with MODEL.WEIGHTS.
        stage: what is made ("instance cues").
        dataset_name: data set whose tags and images are used.
        images: how many.
        settings: keys that decide about the result.

    Raises:
        OSError: there is no file MODEL.WEIGHTS.
    """
    return {
        "stage": stage,
        "consumed": [{"labels": "image tags", "data set": dataset_name, "images": images}],
        "classifier": {
            "file": os.path.basename(cfg.MODEL.WEIGHTS),
            "sha256": hash_file(PathManager.get_local_path(cfg.MODEL.WEIGHTS)),
            "labels": "image tags",
            "data sets": list(cfg.DATASETS.TRAIN),
            "pretrained": _pretrained_weights(cfg),
        },
        "settings": json.loads(json.dumps(settings)),
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


def labels_of_timm_weights(cfg: CfgNode) -> str:
    """What MODEL.TIMM.WEIGHTS was trained with, as far as the config tells."""
    if cfg.MODEL.TIMM.WEIGHTS_LABELS:
        return cfg.MODEL.TIMM.WEIGHTS_LABELS
    return IMAGENET_LABELS if cfg.MODEL.TIMM.WEIGHTS == "timm" else UNKNOWN_LABELS


def _pretrained_weights(cfg: CfgNode) -> dict[str, str] | None:
    """File that the backbone's training started from, and its labels; None: random weights."""
    backbone = cfg.MODEL.BACKBONE.NAME
    if backbone == "build_vgg16_backbone":
        file, labels = cfg.MODEL.PAM.VGG_WEIGHTS, IMAGENET_LABELS
    elif "timm" in backbone:
        file, labels = cfg.MODEL.TIMM.WEIGHTS, labels_of_timm_weights(cfg)
    else:
        file, labels = "not known", f"not known: {backbone} does not record what it started from"
    return {"file": os.path.basename(file), "labels": labels} if file else None
