"""Checks of data before anything is trained on it: every mistake, all of them at once.

A folder-contract root and a split, or a COCO json and its images, give a list of :class:`Problem`
and counts per class. Called by the trainer (:func:`check_datasets`, for all data sets of a config),
the check tool and the pipeline. Every image is decoded, by threads (decoding releases Python's
lock), unless an earlier check did so (``bestie.data.file_findings``).
"""

import logging
import os
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np
from detectron2.config import CfgNode

from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.groups import check_images
from bestie.data.checks.images import (
    NEEDED_FOLDERS,
    CocoImageChecker,
    ImageChecker,
    ImageFindings,
    Problem,
)
from bestie.data.checks.splits import SplitChecker, shared_ids
from bestie.data.file_findings import FileFindings, count_objects
from bestie.data.mappers import mapper_class
from bestie.data.registration import (
    BUILTIN_DATASETS,
    categories_mistake,
    ground_truth_json,
    images_by_name,
    parse_name,
)
from bestie.formats import (
    DataError,
    DatasetFolder,
    join_errors,
    read_class_names,
    read_image_labels,
    read_split,
)
from bestie.formats.dataset_folder import INSTANCE_MASKS

__all__ = [
    "NEEDS",
    "DatasetReport",
    "Problem",
    "check_coco",
    "check_dataset",
    "check_datasets",
    "inspect_coco",
    "inspect_dataset",
    "raise_on_errors",
]

logger = logging.getLogger(__name__)

# What a stage may need of a data set.
NEEDS = ("images", "tags", "maps", "peak_points", "clicks", "ground_truth")


def check_dataset(
    root: str | os.PathLike,
    split: str,
    *,
    needs: Iterable[str],
    points_dir: str | None = None,
    maps_dir: str | None = None,
) -> list[Problem]:
    """All problems of a split of a folder-contract root; see :func:`inspect_dataset`."""
    return inspect_dataset(
        root, split, needs=needs, points_dir=points_dir, maps_dir=maps_dir
    ).problems


def inspect_dataset(
    root: str | os.PathLike,
    split: str,
    *,
    needs: Iterable[str],
    points_dir: str | None = None,
    maps_dir: str | None = None,
    score_thresh: float = 0.0,
) -> DatasetReport:
    """Find all problems of a split and count what it holds.

    The COCO json of the split, if there is one, is checked whatever the needs are: image ids and
    sizes are taken from it.

    Args:
        root: folder-contract root.
        split: name of the split.
        needs: what must be there, of NEEDS. "images" decodes every image; without it only sizes
            are read.
        points_dir: folder of the points in place of Peak_points or Center_points.
        maps_dir: folder of the semantic maps in place of WSSS_maps.
        score_thresh: confidence above which points train; at least one must be.

    Raises:
        ValueError: an unknown need.
    """
    root, needs = os.fspath(root), set(needs)
    if not needs <= set(NEEDS):
        raise ValueError(f"needs must be of {', '.join(NEEDS)}, got {sorted(needs - set(NEEDS))}")
    errors: list[DataError] = []
    class_names = read_class_names(root, errors)
    ids = read_split(root, split, errors)
    folders = {}
    for need in sorted(needs & NEEDED_FOLDERS.keys()):
        chosen = maps_dir if need == "maps" else points_dir
        folder = chosen or NEEDED_FOLDERS[need]
        if _folder_exists(os.path.join(root, folder), errors):
            folders[need] = folder
    _folder_exists(DatasetFolder(root).image_folder, errors)
    tags = _check_tags(root, ids, class_names, errors) if "tags" in needs and class_names else None
    files = FileFindings()
    json_file = ground_truth_json(root, split)
    coco = _check_ground_truth_json(json_file, ids, class_names, files, errors)
    masks = ""
    if "ground_truth" in needs:
        masks = _mask_files_needed(root, split, errors)
    checker = ImageChecker(
        root=root,
        class_names=class_names,
        decode="images" in needs,
        folders=folders,
        tags=tags,
        masks=masks,
        json_file=json_file,
        listed=_listed_sizes(coco, ids),
        score_thresh=score_thresh,
        files=files,
    )
    found = check_images(checker, ids, f"{split} {' '.join(sorted(needs))}")
    report = _summarize(class_names, ids, tags, coco, found)
    if coco is None and masks:
        report.objects_per_class = np.zeros(len(class_names), np.int64)
        report.objects_per_class += found.objects_per_class
    report.problems += [Problem.from_error(error) for error in errors]
    report.problems += found.problems
    split_checker = SplitChecker(root, split, needs, folders, tags is not None, score_thresh)
    report.problems += split_checker(report, found.trusted_points)
    files.log()
    files.save()
    return report


def raise_on_errors(problems: Iterable[Problem], shown: int = 50) -> None:
    """Raise one DataError that lists the errors among the problems, ``shown`` at most."""
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    if errors:
        raise join_errors(errors, shown)


def check_datasets(cfg: CfgNode) -> None:
    """Check all data sets of a config for what its mapper and its evaluators need.

    Warnings are logged. Names that are neither folder-contract roots nor COCO jsons (Detectron2's
    own) are skipped.

    Raises:
        DataError: listing every error of every data set.
    """
    problems: list[Problem] = []
    for name, needs in _needs_of_config(cfg).items():
        if _is_root(name) or name.startswith("coco:"):
            logger.info("Checking %s for %s.", name, ", ".join(sorted(needs)))
            problems += _check_named(cfg, name, needs)
    problems += _trained_and_tested(cfg)
    warnings = [problem for problem in problems if problem.severity == "warning"]
    for problem in warnings[:10]:
        logger.warning("%s", problem)
    if len(warnings) > 10:
        logger.warning("... and %d warnings more about the data.", len(warnings) - 10)
    raise_on_errors(problems)


def _trained_and_tested(cfg: CfgNode) -> list[Problem]:
    """Warnings about images of test splits that are in training splits of the same root."""
    problems = []
    for train, test in product(cfg.DATASETS.TRAIN, cfg.DATASETS.TEST):
        if not all(
            name in BUILTIN_DATASETS or name.startswith("folder:") for name in (train, test)
        ):
            continue
        (_, root, split), (_, other_root, other) = parse_name(train), parse_name(test)
        if root == other_root and split != other:
            problems += shared_ids(root, split, other)
    return problems


def _is_root(name: str) -> bool:
    return name in BUILTIN_DATASETS or name.startswith("folder:")


def _check_named(cfg: CfgNode, name: str, needs: set[str]) -> list[Problem]:
    kind, first, second = parse_name(name)
    wanted = mapper_class(cfg).trains_on or kind
    if name in cfg.DATASETS.TRAIN and kind != wanted:
        form = {"folder": "folder:ROOT:SPLIT", "coco": "coco:JSON:IMAGE_DIR"}[wanted]
        message = f"{cfg.INPUT.DATASET_MAPPER_NAME} trains on data sets named {form}"
        return [Problem("error", name, None, message)]
    if kind == "coco":
        return check_coco(first, second)
    return inspect_dataset(
        first,
        second,
        needs=needs,
        points_dir=cfg.INPUT.POINTS_DIR or None,
        maps_dir=cfg.INPUT.MAPS_DIR,
        score_thresh=cfg.INPUT.POINT_SCORE_THRESH,
    ).problems


def _needs_of_config(cfg: CfgNode) -> dict[str, set[str]]:
    """Data set name -> what the run needs of it."""
    mapper = mapper_class(cfg)
    needs = {name: mapper.training_needs(cfg) for name in cfg.DATASETS.TRAIN}
    testing = mapper.testing_needs(cfg)
    if {"voc", "coco"} & set(cfg.TEST.EVALUATORS):
        testing.add("ground_truth")
    if "tags" in cfg.TEST.EVALUATORS:
        testing.add("tags")
    for name in cfg.DATASETS.TEST:
        needs[name] = needs.get(name, set()) | testing
    return needs


def check_coco(json_file: str | os.PathLike, image_dir: str | os.PathLike) -> list[Problem]:
    """All problems of a COCO json with instances and of its images; see :func:`inspect_coco`."""
    return inspect_coco(json_file, image_dir).problems


def inspect_coco(json_file: str | os.PathLike, image_dir: str | os.PathLike) -> DatasetReport:
    """Find all problems of a COCO json with instances and of its images, which are decoded."""
    json_file, files = os.fspath(json_file), FileFindings()
    try:
        coco = files.coco(json_file)
    except DataError as error:
        return DatasetReport([Problem.from_error(error)], [], 0, np.zeros(0, np.int64))
    problems: list[Problem] = []
    if not any(coco["objects"]):
        message = "has no annotation that is not a crowd; there is nothing to learn or to evaluate"
        problems.append(Problem("error", json_file, None, message))

    if os.path.isdir(image_dir):
        checker = CocoImageChecker(json_file, os.fspath(image_dir), files)
        problems += check_images(checker, coco["images"], "json").problems
    else:
        problems.append(Problem("error", os.fspath(image_dir), None, "folder does not exist"))
    categories = sorted(coco["categories"], key=lambda category: category["id"])
    names = [category["name"] for category in categories]
    images, objects = count_objects(coco, [category["id"] for category in categories])
    files.log()
    files.save()
    return DatasetReport(problems, names, len(coco["images"]), images, objects_per_class=objects)


def _folder_exists(path: str, errors: list[DataError]) -> bool:
    if os.path.isdir(path):
        return True
    kind = "is not a folder" if os.path.exists(path) else "folder does not exist"
    errors.append(DataError(kind, path))
    return False


def _check_tags(
    root: str, ids: list[str], class_names: list[str], errors: list[DataError]
) -> dict[str, list[int]] | None:
    folder = DatasetFolder(root)
    path = folder.tags_file
    if not os.path.exists(path) and not os.path.isdir(folder.xml_folder):
        errors.append(DataError("file does not exist, nor Annotations/<id>.xml", path))
        return None
    tags = read_image_labels(root, class_names, ids, errors)
    for image_id in ids:
        if image_id in tags:
            continue
        if os.path.exists(path):
            message = f"no tags for the image '{image_id}'; '<id> <class> ...' is expected"
            errors.append(DataError(message, path))
        else:
            message = "file does not exist (no tags for the image)"
            errors.append(DataError(message, folder.xml_file(image_id)))
    return tags


def _check_ground_truth_json(
    path: str,
    ids: list[str],
    class_names: list[str],
    files: FileFindings,
    errors: list[DataError],
) -> dict[str, Any] | None:
    """Check the json if there is one, and return what it holds, without masks."""
    if not os.path.exists(path):
        return None
    try:
        coco = files.coco(path)
    except DataError as error:
        errors.append(error)
        return None
    mistake = class_names and categories_mistake(coco, class_names)
    if mistake:
        errors.append(DataError(mistake, path))
    images = images_by_name(coco)
    errors += [
        DataError(f"does not list the image '{image_id}' of the split", path)
        for image_id in ids
        if image_id not in images
    ]
    return coco


def _listed_sizes(coco: dict[str, Any] | None, ids: list[str]) -> dict[str, tuple[int, int]]:
    """Image id -> the (height, width) that the json lists."""
    images = {} if coco is None else images_by_name(coco)
    return {
        image_id: (images[image_id]["height"], images[image_id]["width"])
        for image_id in ids
        if image_id in images
    }


def _mask_files_needed(root: str, split: str, errors: list[DataError]) -> str:
    """Whether mask files are "required" as ground truth, "optional", or "" (there is none)."""
    path = ground_truth_json(root, split)
    if os.path.exists(path):
        return "optional"
    if os.path.isdir(os.path.join(root, INSTANCE_MASKS)):
        return "required"
    message = f"no ground truth: neither this file nor {INSTANCE_MASKS}/<id>.png"
    errors.append(DataError(message, path))
    return ""


def _summarize(
    class_names: list[str],
    ids: list[str],
    tags: Mapping[str, list[int]] | None,
    coco: dict[str, Any] | None,
    found: ImageFindings,
) -> DatasetReport:
    """The counts; the problems are to be added."""
    report = DatasetReport([], class_names, len(ids), None)
    report.map_pixels += found.map_pixels
    report.points_per_class.update(found.points_per_class)
    if coco is not None:
        category_ids = list(range(1, len(class_names) + 1))
        by_name = images_by_name(coco)
        names = {by_name[image_id]["file_name"] for image_id in ids if image_id in by_name}
        counts = count_objects(coco, category_ids, names)
        report.images_per_class, report.objects_per_class = counts
    if tags is not None:
        report.images_per_class = np.zeros(len(class_names), np.int64)
        for classes in tags.values():
            report.images_per_class[classes] += 1
    return report
