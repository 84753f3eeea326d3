"""A check of everything that a data set holds, whatever it is going to be used for.

Gives a report for each split. ``bestie check`` uses it; a run checks what its config needs instead
(``data.check_datasets``).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bestie.data.checks.dataset import inspect_coco, inspect_dataset
from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import NEEDED_FOLDERS
from bestie.data.checks.mixed import check_mixed, needs_of
from bestie.data.checks.splits import shared_ids
from bestie.data.registration import BUILTIN_DATASETS, ground_truth_json, parse_name
from bestie.formats import DataError, DatasetFolder, list_splits, read_split
from bestie.formats.labels.base import Labels, ReadOptions, read_json
from bestie.formats.labels.coco import parse_coco
from bestie.formats.supervision import MIXED, LabelKind, Supervision

__all__ = ["SUPERVISIONS", "survey_data"]

SUPERVISIONS = ("tags", "clicks", MIXED)
# Ends of the names of splits with masks and with clicks; `bestie split` names them so.
KIND_OF_SUFFIX = {"_s": LabelKind.MASKS, "_w": LabelKind.CLICKS}
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
        supervision: "tags", "clicks", "masks+clicks" (then splits to train on end in "_s", masks,
            or "_w", clicks) or None.

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
        return {data: _survey_coco(first, second)}
    return {data: _survey_root(first, [second], supervision)[second]}


def _survey_coco(json_file: str, image_dir: str) -> DatasetReport:
    """What is wrong for a training on masks; whether it is enough for a run is said with it."""
    report = inspect_coco(json_file, image_dir)
    if report.class_names or not report.problems:
        return report
    labels = Labels()
    content = read_json(Path(json_file), labels)
    if content is not None:
        parse_coco(content, Path(json_file), labels, ReadOptions(), clicks=False)
    if content is not None and not labels.problems:
        first = report.problems[0]
        message = (
            f"{first.message}. bestie train and bestie evaluate need this; "
            "bestie run --data coco:... needs only the classes of each image, or its clicks"
        )
        report.problems[0] = replace(first, message=message)
    return report


def _survey_root(
    root: str, splits: Sequence[str], supervision: str | None
) -> dict[str, DatasetReport]:
    if not os.path.isdir(root):
        raise DataError("is not a folder; the root of a data set is expected", root)
    found = list_splits(root)
    if not found:
        folder = DatasetFolder(root).split_folder
        raise DataError("there is no split, <split>.txt with one image id per line", folder)
    if supervision == MIXED:
        return _survey_mixed(root, list(splits) or found)
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


def _survey_mixed(root: str, splits: list[str]) -> dict[str, DatasetReport]:
    """Splits with masks, with clicks, and others, of which what is there is checked.

    A split that both kinds were drawn from ("train") holds no images of its own: only its images
    are checked, for which labels they need is said by the other two.
    """
    kinds = {name: KIND_OF_SUFFIX[name[-2:]] for name in splits if name[-2:] in KIND_OF_SUFFIX}
    if missing := set(KIND_OF_SUFFIX.values()) - set(kinds.values()):
        ends = ", ".join(end for end, kind in KIND_OF_SUFFIX.items() if kind in missing)
        folder = DatasetFolder(root).split_folder
        found = ", ".join(splits)
        raise DataError(
            f"there is no split that ends in {ends}, but {found}; bestie split makes them", folder
        )
    divided = {name for name in splits if name not in kinds and _holds_both(root, name, kinds)}
    reports = {}
    for name in splits:
        needs = needs_of(kinds[name]) if name in kinds else _present(root, name)
        reports[name] = inspect_dataset(root, name, needs={"images"} if name in divided else needs)
    first = next(name for name, kind in kinds.items() if kind is LabelKind.MASKS)
    compared = {name: report for name, report in reports.items() if name not in divided}
    reports[first].problems += check_mixed(root, Supervision(kinds), compared)
    return reports


def _holds_both(root: str, split: str, kinds: Mapping[str, LabelKind]) -> bool:
    """Whether a split holds all images of a split with masks and of one with clicks."""
    ids = set(read_split(root, split, []))
    parts = {name: set(read_split(root, name, [])) for name in kinds}
    held = {kinds[name] for name, part in parts.items() if part and part <= ids}
    return held == set(KIND_OF_SUFFIX.values())


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
