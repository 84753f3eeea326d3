"""The supervision ledger: what labels went into the files of a folder.

In: a config and what a stage consumed. Out: ``supervision_ledger.json`` in the folder that the
stage writes, one entry per split. The kind of labels is one word of ``LabelKind``; what stands
under "labels" is for people and is never interpreted.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from bestie.engine.setup import merge_config
from bestie.files import DataError, atomic_write, hash_file
from bestie.formats.supervision import LabelKind

__all__ = [
    "IMAGENET_LABELS",
    "LEDGER",
    "UNKNOWN_LABELS",
    "Weights",
    "backbone_weights",
    "classifier_entry",
    "model_weights",
    "read_ledger",
    "write_ledger_entry",
]

LEDGER = "supervision_ledger.json"
# What torchvision's VGG16 weights, timm's and Detectron2's backbones were trained with.
IMAGENET_LABELS = "ImageNet-1k image labels"
UNKNOWN_LABELS = "not known"
# Folders of Detectron2's model zoo ("detectron2://FOLDER/...") -> kind and labels behind them.
MODEL_ZOO = {
    "ImageNetPretrained": (LabelKind.TAGS, IMAGENET_LABELS),
    "COCO-Detection": (LabelKind.BOXES, "COCO boxes"),
    "PascalVOC-Detection": (LabelKind.BOXES, "Pascal VOC boxes"),
    "COCO-InstanceSegmentation": (LabelKind.MASKS, "COCO instance masks"),
    "COCO-Keypoints": (LabelKind.BOXES, "COCO boxes and keypoints"),
    "COCO-PanopticSegmentation": (LabelKind.MASKS, "COCO panoptic masks"),
    "Cityscapes": (LabelKind.MASKS, "Cityscapes instance masks"),
    "LVISv0.5-InstanceSegmentation": (LabelKind.MASKS, "LVIS instance masks"),
}
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
        "consumed": [
            {
                "kind": LabelKind.TAGS,
                "labels": "image tags",
                "data set": dataset_name,
                "images": images,
            }
        ],
        "classifier": {
            "file": os.path.basename(cfg.MODEL.WEIGHTS),
            "sha256": hash_file(weights),
            "kind": LabelKind.TAGS,
            "labels": "image tags",
            "data sets": list(trained.DATASETS.TRAIN) if trained else UNKNOWN_LABELS,
            "pretrained": _pretrained_weights(trained),
        },
        "settings": json.loads(json.dumps(network | dict(settings))),
    }


def read_ledger(folder: str | os.PathLike) -> dict[str, dict]:
    """Split -> entry; empty if the folder has no ledger.

    Raises:
        DataError: it is no well-formed json, or names a kind of labels that does not exist.
    """
    path = Path(folder, LEDGER)
    if not path.is_file():
        return {}
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"is no well-formed json ({error.msg})", path, error.lineno) from None
    except UnicodeDecodeError:
        raise DataError("is no UTF-8 text", path) from None
    if not isinstance(ledger, dict) or not all(map(_is_entry, ledger.values())):
        message = 'is not one entry per split, each with a list "consumed" of objects'
        raise DataError(message, path)
    try:
        for given in _kinds_in(ledger):
            LabelKind.parse(given)
    except ValueError as error:
        raise DataError(str(error), path) from None
    return ledger


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("consumed", []), list):
        return False
    classifier = entry.get("classifier") or {}
    parts = [*entry.get("consumed", []), classifier]
    if not all(isinstance(part, dict) for part in parts):
        return False
    return isinstance(classifier.get("pretrained") or {}, dict)


def _kinds_in(value: Any) -> Iterator[Any]:
    """Every "kind" in a ledger."""
    if isinstance(value, dict):
        if "kind" in value:
            yield value["kind"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else []:
        yield from _kinds_in(inner)


def write_ledger_entry(folder: str | os.PathLike, split: str, entry: dict) -> None:
    """Add or replace the entry of a split, atomically."""
    with atomic_write(Path(folder, LEDGER)) as file:
        json.dump(read_ledger(folder) | {split: entry}, file, indent=2)
        file.write("\n")


@dataclass(frozen=True)
class Weights:
    """A file of weights, and what it was trained with.

    Attributes:
        file: path or address, "" for random weights.
        kind: of the labels; as a config has it, it may be "".
        labels: those labels in words.
    """

    file: str
    kind: LabelKind | str
    labels: str


def backbone_weights(cfg: CfgNode) -> Weights | None:
    """What the backbone starts from; None for backbones that have no key for such a file.

    Labels that no key names are known of torchvision's VGG16, by the file's name, and of timm's
    own weights.
    """
    model = cfg.MODEL
    if model.BACKBONE.NAME == "build_vgg16_backbone":
        pam = model.PAM
        given = Weights(pam.VGG_WEIGHTS, pam.VGG_WEIGHTS_KIND, pam.VGG_WEIGHTS_LABELS)
        is_imagenet = os.path.basename(given.file) == TORCHVISION_VGG16
    elif "timm" in model.BACKBONE.NAME:
        timm = model.TIMM
        given = Weights(timm.WEIGHTS, timm.WEIGHTS_KIND, timm.WEIGHTS_LABELS)
        is_imagenet = given.file == "timm"
    else:
        return None
    known = (LabelKind.TAGS, IMAGENET_LABELS) if is_imagenet else None
    return _described(given, known)


def model_weights(cfg: CfgNode) -> Weights:
    """What MODEL.WEIGHTS names; Detectron2's own weights are known by their address."""
    scheme, _, place = cfg.MODEL.WEIGHTS.partition("://")
    known = MODEL_ZOO.get(place.partition("/")[0]) if scheme == "detectron2" else None
    model = cfg.MODEL
    return _described(Weights(model.WEIGHTS, model.WEIGHTS_KIND, model.WEIGHTS_LABELS), known)


def _described(given: Weights, known: tuple[LabelKind, str] | None) -> Weights:
    """Weights as the config describes them (kind "": not at all), else as they are known."""
    if given.kind:
        kind = LabelKind.parse(given.kind)
        return Weights(given.file, kind, given.labels or str(kind))
    kind, labels = known or (LabelKind.UNKNOWN, UNKNOWN_LABELS)
    return Weights(given.file, kind, given.labels or labels)


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
    elif weights.file:
        file = os.path.basename(weights.file)
        return {"file": file, "kind": weights.kind, "labels": weights.labels}
    else:
        return None
    labels = f"{UNKNOWN_LABELS}: {reason}"
    return {"file": UNKNOWN_LABELS, "kind": LabelKind.UNKNOWN, "labels": labels}
