"""From a classifier to weak semantic maps on disk, and the check of maps from any method.

Step 3 of the pipeline. A trained classifier (MODEL.WEIGHTS) and the name of a data set with tags
give one semantic map per image, the supervision ledger, and a report with mean IoU and a contact
sheet.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm
from torch import Tensor

from bestie.data import register_dataset
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
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.classifier import PAMClassifier
from bestie.methods.pam.map_report import MapReport, report_maps
from bestie.methods.pam.semantic_maps import class_scores, dense_crf, label_pixels, refine_scores
from bestie.methods.pam.stage import (
    ClassifierStage,
    mirrored_activation_maps,
    save_sheet,
    stage_folder,
)

__all__ = ["check_semantic_maps", "image_scores", "make_semantic_maps"]

FOLDER = MAPS
# Shortest side of an image that the network sees, pixels.
MIN_SIDE = 32


def make_semantic_maps(
    cfg: CfgNode,
    dataset_name: str,
    output: str | os.PathLike | None = None,
    *,
    report_dir: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> MapReport | None:
    """Write the weak semantic map of each image of a data set; to be called in every process.

    Images whose map exists are skipped, so an interrupted run can be resumed.

    Args:
        cfg: of the classifier, with MODEL.WEIGHTS and MODEL.PAM.MAPS.
        dataset_name: a data set with tags; it is registered if need be.
        output: folder of the maps; None: WSSS_maps of the data's root.
        report_dir: folder for ``maps.json`` and ``maps.png`` (contact sheet); None: neither.
        overwrite: make all maps again.

    Returns:
        Numbers of the maps, on the main process; None elsewhere. With ground truth, mean IoU of the
        maps made in this call before and after refinement (each pixel decided), and of all of them
        as written.

    Raises:
        ValueError: weights that do not fit, images without tags, or maps that were made with other
            weights or settings.
    """
    options = cfg.MODEL.PAM.MAPS
    stage = ClassifierStage(
        cfg,
        dataset_name,
        output,
        name="semantic maps",
        folder=FOLDER,
        suffix=".png",
        settings=options,
    )
    model = stage.load_model()
    pending = stage.begin(_is_complete, overwrite)
    confusions = _write_maps(stage, model, pending, options)
    if not comm.is_main_process():
        return None
    report = _report(dataset_name, stage.records, stage.path, confusions)
    if report_dir is not None:
        _save_report(report, stage.records, stage.path, Path(report_dir))
    return report


def check_semantic_maps(
    dataset_name: str,
    folder: str | os.PathLike | None = None,
    *,
    report_dir: str | os.PathLike | None = None,
) -> MapReport:
    """Report on the maps of a data set, whatever made them.

    Args:
        dataset_name: it is registered if need be.
        folder: of the maps; None: WSSS_maps of the data's root.
        report_dir: see :func:`make_semantic_maps`.

    Raises:
        DataError: maps that are missing, of another size than their image, or of unknown classes;
            all of them at once.
    """
    register_dataset(dataset_name)
    maps = stage_folder(dataset_name, folder, FOLDER)
    records = DatasetCatalog.get(dataset_name)

    def path_of(record: dict[str, Any]) -> Path:
        return maps / f"{record['image_name']}.png"

    report = _report(dataset_name, records, path_of, {})
    if report_dir is not None:
        _save_report(report, records, path_of, Path(report_dir))
    return report


def image_scores(
    model: PAMClassifier, image: Tensor, image_labels: Tensor, options: CfgNode
) -> tuple[Tensor, Tensor]:
    """Scores of background and tagged classes in one image, before and after refinement.

    With INPUT.TEST_SIZE the image is the photo at that size, on which all lengths are counted.

    Args:
        model: in evaluation mode.
        image: (3, H, W) uint8, in the order of INPUT.FORMAT.
        image_labels: (C,) bool, K of them set.
        options: MODEL.PAM.MAPS.

    Returns:
        Twice (K+1, H, W) float32, summing to 1 in each pixel, the background first.
    """
    height, width = image.shape[-2:]
    maps = torch.zeros((), device=model.device)
    for scale in options.SCALES:
        scaled = (max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale)))
        maps = maps + mirrored_activation_maps(
            model, image, image_labels, scaled, (height, width), options.ATTENTION
        )
    maps.div_(maps.amax(dim=(1, 2), keepdim=True) + 1e-5)
    scores = class_scores(maps, options.BACKGROUND_SCORE)
    del maps
    refined = refine_scores(
        scores, image.to(scores.device), options.PAMR_DILATIONS, options.PAMR_ITERATIONS
    )
    return scores, dense_crf(refined, image) if options.CRF else refined


def _write_maps(
    stage: ClassifierStage, model: PAMClassifier, pending: list[dict], options: CfgNode
) -> dict[str, np.ndarray]:
    """Write this process's share of the maps; the confusions of all shares, by stage."""
    num_classes = len(stage.class_names)
    truth = SemanticTruth(stage.dataset_name) if has_ground_truth(stage.dataset_name) else None
    names = ("before refinement", "after refinement") if truth and pending else ()
    confusions = {name: np.zeros((num_classes + 1,) * 2, np.int64) for name in names}
    for sample in stage.samples(pending):
        scores = image_scores(model, sample["image"], sample["image_labels"], options)
        classes = sample["image_labels"].nonzero()[:, 0].to(model.device)
        size = (sample["height"], sample["width"])
        semantic_map = label_pixels(scores[1], classes, options.IGNORE_MARGIN, size)
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


def _report(
    dataset_name: str,
    records: list[dict[str, Any]],
    path_of: Callable[[dict[str, Any]], Path],
    confusions: dict[str, np.ndarray],
) -> MapReport:
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
    return report


def _read_map(record: dict[str, Any], path: Path, num_classes: int) -> np.ndarray:
    semantic_map = read_semantic_map(path)
    size = (record["height"], record["width"])
    if semantic_map.shape != size:
        raise DataError(f"has {semantic_map.shape} pixels (height, width), its image {size}", path)
    values = np.unique(semantic_map)
    wrong = values[(values > num_classes) & (values != 255)]
    if len(wrong):
        accepted = f"0 (background), 1..{num_classes} (class + 1), 255 (ignore)"
        raise DataError(f"has the values {wrong.tolist()}; accepted: {accepted}", path)
    return semantic_map


def _is_complete(record: dict[str, Any], path: Path) -> bool:
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
    with atomic_write(folder / "maps.json") as file:
        file.write(to_json(report.as_dict(), indent=2))
    save_sheet(
        folder / "maps.png",
        records,
        report.class_names,
        "map",
        lambda record: {"semantic_map_file": str(path_of(record))},
    )
