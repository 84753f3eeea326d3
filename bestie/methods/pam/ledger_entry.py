"""The ledger entry of a stage that runs the classifier: the labels that it consumes."""

import json
import os
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from bestie.backbones.origin import backbone_weights
from bestie.formats import hash_file
from bestie.formats.ledger import UNKNOWN_LABELS
from bestie.formats.supervision import LabelKind
from bestie.training.setup import merge_config

__all__ = ["classifier_entry"]


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
