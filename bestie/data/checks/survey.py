"""A check of everything that a data set holds, whatever it is going to be used for.

Gives a report for each split. ``bestie check`` uses it; a run checks what its config needs instead
(``data.check_datasets``).
"""

import os
from collections.abc import Sequence

from bestie.data.checks.dataset import inspect_coco, inspect_dataset
from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import NEEDED_FOLDERS
from bestie.data.checks.splits import shared_ids
from bestie.data.registration import BUILTIN_DATASETS, ground_truth_json, parse_name
from bestie.formats import DataError, DatasetFolder, list_splits, read_split

__all__ = ["SUPERVISIONS", "survey_data"]

SUPERVISIONS = ("tags", "clicks")
SUFFIXES = {"maps": ".png", "peak_points": ".txt", "clicks": ".txt"}


def survey_data(
    data: str, splits: Sequence[str] = (), supervision: str | None = None
) -> dict[str, DatasetReport]:
    """Check all files that are there, and those that a training would need.

    Splits to train on need tags, and clicks if these are the supervision. They are the ``splits``
    that are named, or else those whose names begin with "train". Cues, clicks, maps and ground
    truth are checked where at least one image of the split has them; then all of them must.

    Args:
        data: a folder-contract root, folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR or a built-in name.
        splits: of a root; all, if empty.
        supervision: "tags", "clicks" or None.

    Returns:
        Split (``data`` itself, if it names one data set) -> what was found.

    Raises:
        ValueError: a name of no accepted form (DataError: no such root, a root without splits).
    """
    if supervision not in (*SUPERVISIONS, None):
        raise ValueError(f"supervision must be one of {', '.join(SUPERVISIONS)}, got {supervision}")
    named = data in BUILTIN_DATASETS or data.startswith(("folder:", "coco:"))
    if not named:
        return _survey_root(data, splits, supervision)
    if splits:
        raise ValueError(f"'{data}' names its images itself; splits go with a root")
    kind, first, second = parse_name(data)
    if kind == "coco":
        return {data: inspect_coco(first, second)}
    return {data: _survey_root(first, [second], supervision)[second]}


def _survey_root(
    root: str, splits: Sequence[str], supervision: str | None
) -> dict[str, DatasetReport]:
    if not os.path.isdir(root):
        raise DataError("is not a folder; the root of a data set is expected", root)
    found = list_splits(root)
    if not found:
        folder = DatasetFolder(root).split_folder
        raise DataError("there is no split, <split>.txt with one image id per line", folder)
    if supervision and not any(split.startswith("train") for split in found):
        found.append("train")  # whose absence is reported
    reports = {}
    for split in splits or found:
        needs = _present(root, split)
        if splits or split.startswith("train"):
            needs |= {"tags"} | ({"clicks"} if supervision == "clicks" else set())
        reports[split] = inspect_dataset(root, split, needs=needs)
        earlier = list(reports)[:-1]
        reports[split].problems += [
            problem for other in earlier for problem in shared_ids(root, other, split)
        ]
    return reports


def _present(root: str, split: str) -> set[str]:
    """What a split has, of NEEDS; images it must have."""
    ids = read_split(root, split, [])
    present = {"images"}
    if DatasetFolder(root).has_tags:
        present.add("tags")
    for need, suffix in SUFFIXES.items():
        folder = os.path.join(root, NEEDED_FOLDERS[need])
        if any(os.path.exists(os.path.join(folder, image_id + suffix)) for image_id in ids):
            present.add(need)
    if os.path.exists(ground_truth_json(root, split)) or any(
        os.path.exists(DatasetFolder(root).mask_files(image_id)[0]) for image_id in ids
    ):
        present.add("ground_truth")
    return present
