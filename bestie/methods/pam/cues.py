"""From a classifier to instance cues on disk.

Step 2 of the pipeline. A trained classifier (MODEL.WEIGHTS) and the name of a data set with tags
give one point file per image, the supervision ledger, and a cue report with a contact sheet.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.utils import comm
from torch import Tensor

from bestie.evaluation.ground_truth import GroundTruth, has_ground_truth
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import DataError, Points, atomic_write, read_points, to_json, write_points
from bestie.formats.dataset_folder import CLICKS, CUES
from bestie.methods.pam.classifier import PAMClassifier
from bestie.methods.pam.cue_report import CueReport, report_cues
from bestie.methods.pam.peak_points import find_peak_points
from bestie.methods.pam.stage import ClassifierStage, mirrored_activation_maps, save_sheet

__all__ = ["extract_points", "image_cues"]

# Shortest side of an image that the network sees, pixels.
MIN_SIDE = 32


def extract_points(
    cfg: CfgNode,
    dataset_name: str,
    output: str | os.PathLike | None = None,
    *,
    report_dir: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> CueReport | None:
    """Write the cues of each image of a data set; to be called in every process.

    Images whose point file exists are skipped, so an interrupted run can be resumed.

    Args:
        cfg: of the classifier, with MODEL.WEIGHTS and MODEL.PAM.CUES.
        dataset_name: a data set with tags; it is registered if need be.
        output: folder of the point files; None: Peak_points of the data's root.
        report_dir: folder for ``cues.json`` and ``cues.png`` (contact sheet); None: neither.
        overwrite: make all files again.

    Returns:
        Numbers of the cues, on the main process; None elsewhere.

    Raises:
        ValueError: weights that do not fit, images without tags, or files that were made with other
            weights or settings.
    """
    options = cfg.MODEL.PAM.CUES
    stage = ClassifierStage(
        cfg,
        dataset_name,
        output,
        name="instance cues",
        folder=CUES,
        suffix=".txt",
        settings=options,
    )
    model = stage.load_model()
    pending = stage.begin(_is_complete, overwrite)
    for sample in stage.samples(pending):
        size = (sample["height"], sample["width"])
        cues = image_cues(model, sample["image"], sample["image_labels"], options, size)
        write_points(stage.path(sample), cues)
    comm.synchronize()
    if not comm.is_main_process():
        return None
    report = report_cues(_compared(stage), stage.class_names, cfg.INPUT.POINT_SCORE_THRESH)
    if report_dir is not None:
        _save_report(stage, report, Path(report_dir))
    return report


def image_cues(
    model: PAMClassifier,
    image: Tensor,
    image_labels: Tensor,
    options: CfgNode,
    size: tuple[int, int] | None = None,
) -> Points:
    """Cues of one image: each is the pixel of the photo that holds the center of a peak's pixel.

    The network sees squares of IMAGE_SIZE, times each of SCALES, whatever the size of the photo.
    Peaks are found on the square of IMAGE_SIZE or, with GRID image, on ``image``; the window and
    the mean filter are pixels of that grid.

    Args:
        model: in evaluation mode.
        image: (3, H, W) uint8, in the order of INPUT.FORMAT; at INPUT.TEST_SIZE, if that is set.
        image_labels: (C,) bool.
        options: MODEL.PAM.CUES.
        size: height and width of the photo that the cues belong to; None: those of ``image``.
    """
    height, width = image.shape[-2:]
    side = options.IMAGE_SIZE
    grid = (side, side) if options.GRID == "square" else (height, width)
    maps = torch.zeros((), device=model.device)
    for scale in options.SCALES:
        scaled = max(MIN_SIDE, round(side * scale))
        seen = mirrored_activation_maps(model, image, image_labels, (scaled, scaled), grid)
        maps = maps + seen / len(options.SCALES)
    yx, indices, scores = find_peak_points(
        maps,
        options.KERNEL,
        options.TOP_K,
        options.SCORE_THRESH,
        merge_touching=options.MERGE_TOUCHING,
    )
    photo = np.array(size or (height, width))
    return Points(
        yx=np.floor((yx.cpu().numpy() + 0.5) * photo / np.array(grid)),
        classes=image_labels.nonzero()[:, 0].numpy()[indices.cpu().numpy()],
        scores=scores.cpu().numpy(),
    )


def _is_complete(record: dict[str, Any], path: Path) -> bool:
    try:
        read_points(path)
    except DataError:
        return False
    return True


def _compared(stage: ClassifierStage) -> Iterator[tuple[Points, LabelledMasks | Points | None]]:
    """Cues and objects of each image: masks, else clicks, else None."""
    masks = GroundTruth(stage.dataset_name) if has_ground_truth(stage.dataset_name) else None
    clicks = [r.get("points_files", {}).get(CLICKS, "") for r in stage.records]
    all_clicks = all(os.path.isfile(path) for path in clicks)
    for record, click_file in zip(stage.records, clicks, strict=True):
        objects: LabelledMasks | Points | None = None
        if masks is not None:
            objects = masks.objects(record["image_id"])
        elif all_clicks:
            objects = read_points(click_file)
        yield read_points(stage.path(record)), objects


def _save_report(stage: ClassifierStage, report: CueReport, folder: Path) -> None:
    with atomic_write(folder / "cues.json") as file:
        file.write(to_json(report.as_dict(), indent=2))
    save_sheet(
        folder / "cues.png",
        stage.records,
        stage.class_names,
        "points",
        lambda record: {"points_files": {CUES: str(stage.path(record))}},
    )
