"""The supervision ledger: what labels went into the files of a folder.

In: a config and what a stage consumed. Out: ``supervision_ledger.json`` in the folder that the
stage writes, one entry per split, or per file of labels in it (its name without suffix). The kind
of labels is one word of ``LabelKind``; what stands under "labels" is for people and is never
interpreted.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bestie.formats import DataError, atomic_write
from bestie.formats.supervision import LabelKind, describe_images

__all__ = [
    "CHECKPOINT",
    "IMAGENET_LABELS",
    "LEDGER",
    "UNKNOWN_LABELS",
    "entry_of_images",
    "read_ledger",
    "write_ledger_entry",
]

LEDGER = "supervision_ledger.json"
# Entry beside a training: labels that chose its checkpoint and did not train.
CHECKPOINT = "checkpoint"
# What torchvision's VGG16 weights, timm's and Detectron2's backbones were trained with.
IMAGENET_LABELS = "ImageNet-1k image labels"
UNKNOWN_LABELS = "not known"


def read_ledger(folder: str | os.PathLike) -> dict[str, dict]:
    """Split -> entry; empty if the folder has no ledger.

    Raises:
        DataError: it is not well-formed json, or names a kind of labels that does not exist.
    """
    path = Path(folder, LEDGER)
    if not path.is_file():
        return {}
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"is not well-formed json ({error.msg})", path, error.lineno) from None
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text", path) from None
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
    networks = [entry.get(name) or {} for name in ("classifier", "segmenter")]
    parts = [*entry.get("consumed", []), *networks]
    if not all(isinstance(part, dict) for part in parts):
        return False
    return all(isinstance(network.get("pretrained") or {}, dict) for network in networks)


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


def entry_of_images(
    stage: str, counts: Mapping[LabelKind, int], origins: Mapping[LabelKind, str]
) -> dict[str, Any]:
    """The entry of a file that was made from labels of some images.

    Args:
        stage: what made it.
        counts: kind of labels -> number of images.
        origins: kind of labels -> where these labels are.
    """
    consumed = [
        {
            "kind": str(kind),
            "labels": describe_images({kind: number}),
            "images": number,
            "origin": origins[kind],
        }
        for kind, number in counts.items()
    ]
    return {"stage": stage, "consumed": consumed}
