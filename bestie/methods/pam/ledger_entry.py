"""The ledger entry of a stage that runs a network over a data set: the labels that it consumes."""

import json
import os
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from bestie.backbones.origin import Weights, backbone_weights, model_weights
from bestie.data.registration import parse_name
from bestie.formats import hash_file
from bestie.formats.ledger import LEDGER, UNKNOWN_LABELS, read_ledger
from bestie.formats.supervision import LabelKind
from bestie.training.setup import merge_config

__all__ = ["classifier_entry", "segmenter_entry"]


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
        OSError: MODEL.WEIGHTS is not a file.
    """
    weights = PathManager.get_local_path(cfg.MODEL.WEIGHTS)
    trained = _config_of_training(weights)
    network = _network_settings(cfg) | {"MODEL.PAM.ALPHA": cfg.MODEL.PAM.ALPHA}
    return {
        "stage": stage,
        "consumed": [_tags(dataset_name, images)],
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


def segmenter_entry(
    cfg: CfgNode, stage: str, dataset_name: str, images: int, settings: CfgNode
) -> dict:
    """What a stage consumes that runs the segmentation network of ``cfg``.

    The labels behind the weak maps that it was trained on are taken from the ledger beside them.

    Args:
        cfg: of the network, with MODEL.WEIGHTS.
        stage: what is made ("predicted semantic maps").
        dataset_name, images, settings: see :func:`classifier_entry`.

    Raises:
        OSError: MODEL.WEIGHTS is not a file.
        DataError: the ledger beside the weak maps is broken.
    """
    weights = PathManager.get_local_path(cfg.MODEL.WEIGHTS)
    trained = _config_of_training(weights)
    behind = _entries_of_maps(trained) if trained else []
    consumed = [_tags(dataset_name, images)]
    for entry in behind or [{}]:
        consumed += entry.get("consumed", [_unknown_maps(trained)])
    unique = {(str(part.get("kind")), str(part.get("labels"))): part for part in consumed[::-1]}
    classifiers = [entry["classifier"] for entry in behind if entry.get("classifier")]
    return {
        "stage": stage,
        "consumed": list(unique.values())[::-1],
        **({"classifier": classifiers[0]} if classifiers else {}),
        "segmenter": {
            "file": os.path.basename(cfg.MODEL.WEIGHTS),
            "sha256": hash_file(weights),
            "trained on": "weak semantic maps; these maps are its predictions",
            "weak maps": trained.INPUT.MAPS_DIR if trained else UNKNOWN_LABELS,
            "data sets": list(trained.DATASETS.TRAIN) if trained else UNKNOWN_LABELS,
            "pretrained": _pretrained_weights(trained),
        },
        "settings": json.loads(json.dumps(_network_settings(cfg) | dict(settings))),
    }


def _tags(dataset_name: str, images: int) -> dict:
    return {
        "kind": LabelKind.TAGS,
        "labels": "image tags",
        "data set": dataset_name,
        "images": images,
    }


def _network_settings(cfg: CfgNode) -> dict:
    """Keys that decide about what any network sees."""
    network = {
        "MODEL.BACKBONE.NAME": cfg.MODEL.BACKBONE.NAME,
        "MODEL.PIXEL_MEAN": cfg.MODEL.PIXEL_MEAN,
        "MODEL.PIXEL_STD": cfg.MODEL.PIXEL_STD,
        "INPUT.FORMAT": cfg.INPUT.FORMAT,
    }
    if cfg.INPUT.TEST_SIZE:  # files of before there was this key were made at the original size
        network["INPUT.TEST_SIZE"] = cfg.INPUT.TEST_SIZE
    if any(cfg.INPUT.TEST_SIZE_KEPT):
        network["INPUT.TEST_SIZE_KEPT"] = cfg.INPUT.TEST_SIZE_KEPT
    return network


def _entries_of_maps(trained: CfgNode) -> list[dict]:
    """What the ledgers beside the weak maps of a training say; an empty entry for a missing one."""
    entries = []
    for name in trained.DATASETS.TRAIN:
        kind, root, split = parse_name(name)
        folder = os.path.join(root, trained.INPUT.MAPS_DIR)
        entries.append(read_ledger(folder).get(split, {}) if kind == "folder" else {})
    return entries


def _unknown_maps(trained: CfgNode | None) -> dict:
    where = f"no {LEDGER} beside the weak maps" if trained else "no config.yaml of the training"
    return {"kind": LabelKind.UNKNOWN, "labels": f"{UNKNOWN_LABELS}: {where}"}


def _described(weights: Weights) -> dict[str, str]:
    file = os.path.basename(weights.file)
    return {"file": file, "kind": weights.kind, "labels": weights.labels}


def _config_of_training(weights: str) -> CfgNode | None:
    """The config that the training left beside its checkpoints; None without a readable one."""
    path = Path(weights).with_name("config.yaml")
    try:
        return merge_config(str(path), []) if path.is_file() else None
    except ValueError:  # of another version, or of something else
        return None


def _pretrained_weights(cfg: CfgNode | None) -> dict[str, str] | None:
    """File that a training started from, and its labels; None: random weights."""
    if cfg is None:
        reason = "no config.yaml of the training beside the weights"
    elif cfg.MODEL.WEIGHTS:  # loaded last, over the backbone's own
        return _described(model_weights(cfg))
    elif (weights := backbone_weights(cfg)) is None:
        reason = f"{cfg.MODEL.BACKBONE.NAME} does not record what it started from"
    elif weights.file:
        return _described(weights)
    else:
        return None
    labels = f"{UNKNOWN_LABELS}: {reason}"
    return {"file": UNKNOWN_LABELS, "kind": LabelKind.UNKNOWN, "labels": labels}
