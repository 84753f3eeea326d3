"""Checks of mixed supervision: splits of one root whose images have different kinds of labels.

Each split is checked by itself before (``data.checks.dataset``); this compares them.
"""

import os
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np

from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import Problem
from bestie.data.checks.splits import shared_ids
from bestie.formats import DataError, DatasetFolder, read_coco, read_split
from bestie.formats.base import read_lines
from bestie.formats.dataset_folder import CLICKS
from bestie.formats.supervision import LabelKind, Supervision
from bestie.formats.true_masks import image_stem

__all__ = ["check_mixed", "needs_of"]

# What a training split needs for its kind of labels, of data.checks.dataset.NEEDS.
NEEDS_OF_KIND = {LabelKind.MASKS: "ground_truth", LabelKind.CLICKS: "clicks"}


def needs_of(kind: LabelKind) -> set[str]:
    """What the images of a split need for their labels (MASKS or CLICKS)."""
    return {"images", NEEDS_OF_KIND[kind]}


def check_mixed(
    root: str, supervision: Supervision, reports: Mapping[str, DatasetReport]
) -> list[Problem]:
    """What does not fit together.

    Args:
        root: folder-contract root.
        supervision: kind of labels of each training split, masks and clicks.
        reports: split -> what was found in it.
    """
    masks, clicks = (
        [split for split, kind in supervision.kinds.items() if kind is wanted]
        for wanted in NEEDS_OF_KIND
    )
    problems: list[Problem] = []
    for split, other in product(masks, clicks):
        problems += _in_both(root, split, other)
        problems += _classes_without_masks(root, split, other, reports)
    for split in masks:
        problems += _images_without_masks(root, split)
    for split in clicks:
        problems += _images_without_clicks(root, split)
    for split, other in product(supervision.kinds, reports.keys() - supervision.kinds.keys()):
        problems += shared_ids(root, split, other)
    return problems


def _in_both(root: str, split: str, other: str) -> Iterator[Problem]:
    """One error per image that stands in both splits."""
    ids, path = set(read_split(root, split, [])), DatasetFolder(root).split_file(other)
    for number, line in enumerate(read_lines(Path(path), lambda *mistake: None) or [], 1):
        if line.strip() in ids:
            message = (
                f"the image '{line.strip()}' stands in the split '{split}' too; an image has masks "
                "or clicks, so it belongs to one of the two"
            )
            yield Problem("error", path, number, message)


def _classes_without_masks(
    root: str, split: str, other: str, reports: Mapping[str, DatasetReport]
) -> Iterator[Problem]:
    """One warning about all classes with clicks that no mask shows."""
    objects = reports[split].objects_per_class
    if objects is None or not reports[other].points_per_class:
        return
    counts = np.sum(list(reports[other].points_per_class.values()), axis=0)
    missing = np.flatnonzero((objects == 0) & (counts > 0))
    if len(missing):
        names = reports[split].class_names
        listed = ", ".join(f"{i} ({names[i]}, {counts[i]} clicks)" for i in missing)
        message = (
            f"no image of the split '{split}' has a mask of {len(missing)} classes of which "
            f"'{other}' has clicks: {listed}. Their labels will be poor; draw some masks of them"
        )
        yield Problem("warning", DatasetFolder(root).split_file(split), None, message)


def _images_without_masks(root: str, split: str) -> Iterator[Problem]:
    """One warning about images that the json of a split lists without an object."""
    path = DatasetFolder(root).ground_truth_json(split)
    if not os.path.isfile(path):
        return
    try:
        coco = read_coco(path)
    except DataError:  # an error of the split itself
        return
    filled = {entry["image_id"] for entry in coco["annotations"]}
    empty = {image_stem(image) for image in coco["images"] if image["id"] not in filled}
    found = [image_id for image_id in read_split(root, split, []) if image_id in empty]
    if found:
        message = (
            f"{len(found)} images of the split '{split}' have no mask in it, '{found[0]}' the "
            "first; they train as images without objects"
        )
        yield Problem("warning", path, None, message)


def _images_without_clicks(root: str, split: str) -> Iterator[Problem]:
    """One warning about click files that are there, but hold no click."""
    folder = DatasetFolder(root)
    files = [folder.points_file(image_id, CLICKS) for image_id in read_split(root, split, [])]
    empty = [file for file in files if os.path.isfile(file) and _is_blank(file)]
    if empty:
        message = (
            f"{len(empty)} click files of the split '{split}' are empty, or hold blank lines only, "
            "this one the first; their "
            "images train as images without objects"
        )
        yield Problem("warning", empty[0], None, message)


def _is_blank(file: str) -> bool:
    """Whether a file is empty, or holds blank lines only."""
    with open(file, "rb") as content:
        return not content.read().strip()
