"""Writing the weak semantic maps of a data set, and the report on them, whatever makes them.

Scores of background and tagged classes of each image become one map file per image; the maps of a
data set become ``maps.json`` and a contact sheet.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.utils import comm
from torch import Tensor

from bestie.evaluation.ground_truth import has_ground_truth
from bestie.evaluation.semantic_iou import SemanticTruth, count_confusions
from bestie.formats import (
    DataError,
    atomic_write,
    join_errors,
    read_semantic_map,
    to_json,
    write_semantic_map,
)
from bestie.methods.pam.map_report import MapReport, report_maps
from bestie.methods.pam.semantic_maps import dense_crf, label_pixels, refine_scores
from bestie.methods.pam.stage import DatasetStage, save_sheet
from bestie.regions import IGNORE

__all__ = ["is_complete", "make_map_files", "refined_scores", "report_on_files"]

# (3, H, W) uint8 image, (C,) bool tags -> scores (K + 1, H, W) before and after refinement.
ScoresOfImage = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def refined_scores(scores: Tensor, image: Tensor, options: CfgNode) -> Tensor:
    """Boundary refinement of the scores of an image.

    Args:
        scores: (K+1, H, W) float32, summing to 1 in each pixel, the background first.
        image: (3, H, W) uint8.
        options: PAMR_DILATIONS, PAMR_ITERATIONS and CRF of the maps.
    """
    refined = refine_scores(
        scores, image.to(scores.device), options.PAMR_DILATIONS, options.PAMR_ITERATIONS
    )
    return dense_crf(refined, image) if options.CRF else refined


def make_map_files(
    stage: DatasetStage,
    scores_of: ScoresOfImage,
    ignore_margin: float,
    *,
    report_dir: str | os.PathLike | None,
    overwrite: bool,
    before: Callable[[], dict[str, np.ndarray]] = dict,
) -> MapReport | None:
    """Write the maps of a data set that are not there yet; to be called in every process.

    Args:
        stage: the data set and its folder.
        scores_of: gives the scores of an image, before and after refinement.
        ignore_margin: see :func:`label_pixels`.
        report_dir: folder for ``maps.json`` and ``maps.png`` (contact sheet); None: neither.
        overwrite: make all maps again.
        before: gives confusions of earlier maps, by name, for the report.

    Returns:
        The report, on the main process; None elsewhere.

    Raises:
        ValueError: maps are there that were made with other weights or settings.
    """
    confusions = _write_maps(stage, stage.begin(is_complete, overwrite), scores_of, ignore_margin)
    if not comm.is_main_process():
        return None
    found = before() | confusions
    return report_on_files(stage.dataset_name, stage.records, stage.path, found, report_dir)


def _write_maps(
    stage: DatasetStage, pending: list[dict], scores_of: ScoresOfImage, ignore_margin: float
) -> dict[str, np.ndarray]:
    """Write this process's share of the maps; the confusions of all shares, by stage.

    Args:
        stage: the data set and its folder.
        pending: images that are to be done.
        scores_of: gives the scores of an image, before and after refinement.
        ignore_margin: see :func:`label_pixels`.
    """
    num_classes = len(stage.class_names)
    truth = SemanticTruth(stage.dataset_name) if has_ground_truth(stage.dataset_name) else None
    names = ("before refinement", "after refinement") if truth and pending else ()
    confusions = {name: np.zeros((num_classes + 1,) * 2, np.int64) for name in names}
    for sample in stage.samples(pending):
        scores = scores_of(sample["image"], sample["image_labels"])
        classes = sample["image_labels"].nonzero()[:, 0].to(scores[0].device)
        size = (sample["height"], sample["width"])
        semantic_map = label_pixels(scores[1], classes, ignore_margin, size)
        write_semantic_map(stage.path(sample), semantic_map.cpu().numpy())
        if truth is None:
            continue
        for name, values in zip(names, scores, strict=True):
            decided = label_pixels(values, classes, size=size).cpu().numpy()
            true_map = truth.read(sample["image_id"])
            confusions[name] += count_confusions(true_map, decided, num_classes)
    comm.synchronize()
    shares = comm.gather(confusions)
    return {name: sum(share[name] for share in shares) for name in names} if shares else {}


def report_on_files(
    dataset_name: str,
    records: list[dict[str, Any]],
    path_of: Callable[[dict[str, Any]], Path],
    confusions: dict[str, np.ndarray],
    report_dir: str | os.PathLike | None = None,
) -> MapReport:
    """Measure the maps on the disk.

    Args:
        dataset_name: a registered data set; with ground truth, the maps are compared with it.
        records: its dataset dicts.
        path_of: path of the map of an image.
        confusions: of the maps before they were written, by name, for the report.
        report_dir: folder for ``maps.json`` and ``maps.png`` (contact sheet); None: neither.

    Raises:
        DataError: maps that are missing, of another size than their image, or of unknown classes;
            all of them at once.
    """
    class_names = MetadataCatalog.get(dataset_name).thing_classes
    truth = SemanticTruth(dataset_name) if has_ground_truth(dataset_name) else None
    as_written = np.zeros((len(class_names) + 1,) * 2, np.int64)
    errors: list[DataError] = []

    def maps() -> Iterator[tuple[np.ndarray, list[int] | None]]:
        for record in records:
            try:
                semantic_map = _read_map(record, path_of(record), len(class_names))
            except DataError as error:
                errors.append(error)
                continue
            if truth is not None:
                true_map = truth.read(record["image_id"])
                as_written[:] += count_confusions(true_map, semantic_map, len(class_names))
            yield semantic_map, record.get("image_labels")

    report = report_maps(maps(), class_names, confusions)
    if errors:
        raise join_errors(errors)
    if truth is not None:
        report.confusions["as written"] = as_written
    if report_dir is not None:
        _save_report(report, records, path_of, Path(report_dir))
    return report


def _read_map(record: dict[str, Any], path: Path, num_classes: int) -> np.ndarray:
    semantic_map = read_semantic_map(path)
    size = (record["height"], record["width"])
    if semantic_map.shape != size:
        raise DataError(f"has {semantic_map.shape} pixels (height, width), its image {size}", path)
    values = np.unique(semantic_map)
    wrong = values[(values > num_classes) & (values != IGNORE)]
    if len(wrong):
        accepted = f"0 (background), 1..{num_classes} (class + 1), 255 (ignore)"
        raise DataError(f"has the values {wrong.tolist()}; accepted: {accepted}", path)
    return semantic_map


def is_complete(record: dict[str, Any], path: Path) -> bool:
    """Whether a map file, which exists, can be read and has the size of its image."""
    try:
        return read_semantic_map(path).shape == (record["height"], record["width"])
    except DataError:
        return False


def _save_report(
    report: MapReport,
    records: list[dict[str, Any]],
    path_of: Callable[[dict[str, Any]], Path],
    folder: Path,
) -> None:
    """Write ``maps.json`` and ``maps.png``, a contact sheet, to a folder."""
    with atomic_write(folder / "maps.json") as file:
        file.write(to_json(report.as_dict(), indent=2))
    save_sheet(
        folder / "maps.png",
        records,
        report.class_names,
        "map",
        lambda record: {"semantic_map_file": str(path_of(record))},
    )
