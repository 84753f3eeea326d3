"""From a classifier to weak semantic maps on disk, and the check of maps from any method.

Step 3 of the pipeline. A trained classifier (MODEL.WEIGHTS) and the name of a data set with tags
give one semantic map per image, the supervision ledger, and a report with mean IoU and a contact
sheet.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from torch import Tensor
from torch.nn import functional as F

from bestie.data import register_dataset
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.affinity import RandomWalk
from bestie.methods.pam.background import agreed_background
from bestie.methods.pam.classifier import PAMClassifier
from bestie.methods.pam.map_files import make_map_files, refined_scores, report_on_files
from bestie.methods.pam.map_report import MapReport
from bestie.methods.pam.peak_points import average_mirrored
from bestie.methods.pam.semantic_maps import class_scores
from bestie.methods.pam.stage import ClassifierStage, pair_of_maps, stage_folder

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
    return make_map_files(
        stage,
        lambda image, tags: image_scores(model, image, tags, options),
        options.IGNORE_MARGIN,
        report_dir=report_dir,
        overwrite=overwrite,
    )


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

    return report_on_files(dataset_name, records, path_of, {}, report_dir)


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
    spread = _spreading(model, image, options)
    passes = []
    maps = torch.zeros((), device=model.device)
    for scale in options.SCALES:
        scaled = (max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale)))
        pair = pair_of_maps(model, image, image_labels, scaled, (height, width), options.ATTENTION)
        maps = maps + average_mirrored(*pair)
        if options.BACKGROUND == "agreement":
            passes += [_shrunk(spread(pair[0])), _shrunk(spread(pair[1].flip(-1)))]
    maps = spread(maps.div_(maps.amax(dim=(1, 2), keepdim=True) + 1e-5))
    chosen = options.BACKGROUND == "agreement" and len(maps)
    background = agreed_background(torch.stack(passes)) if chosen else options.BACKGROUND_SCORE
    scores = class_scores(maps, background)
    del maps
    return scores, refined_scores(scores, image, options)


def _spreading(model: PAMClassifier, image: Tensor, options: CfgNode) -> Callable[[Tensor], Tensor]:
    """What the affinities of an image do to its maps (K, H, W)."""
    if not options.AFFINITY_STEPS:
        return lambda maps: maps
    features = model.features(image, options.AFFINITY_FEATURE)
    return RandomWalk(features, options.AFFINITY_POWER, options.AFFINITY_STEPS)


def _shrunk(maps: Tensor) -> Tensor:
    """(K, H, W) at a quarter of the size: borders are compared, not single pixels."""
    return F.avg_pool2d(maps.unsqueeze(1), 4, ceil_mode=True).squeeze(1)
