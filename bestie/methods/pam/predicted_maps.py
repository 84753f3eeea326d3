"""From a segmentation network that learned weak maps to better maps on disk.

A network trained on the weak maps of a data set (MODEL.WEIGHTS) and the name of a data set with
tags give one semantic map per image, the supervision ledger, and a report with mean IoU and a
contact sheet, as the classifier's maps have them.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from torch import Tensor

from bestie.data.mappers import label_path
from bestie.evaluation.ground_truth import has_ground_truth
from bestie.evaluation.semantic_iou import SemanticTruth, count_confusions
from bestie.formats import read_semantic_map
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.ledger_entry import segmenter_entry
from bestie.methods.pam.map_files import make_map_files, refined_scores
from bestie.methods.pam.map_report import MapReport
from bestie.methods.pam.segmenter import WeakMapSegmenter
from bestie.methods.pam.stage import DatasetStage
from bestie.training.setup import load_model

__all__ = ["SegmenterStage", "predict_semantic_maps", "predicted_scores"]


class SegmenterStage(DatasetStage):
    """Files that the segmentation network writes."""

    architecture, network = "WeakMapSegmenter", "segmenter"
    classes_key = "MODEL.SEMANTIC.NUM_CLASSES"

    def load_model(self) -> WeakMapSegmenter:
        """The network with MODEL.WEIGHTS, in evaluation mode."""
        model = load_model(self.cfg)
        assert isinstance(model, WeakMapSegmenter), type(model)
        return model

    def entry(self) -> dict[str, Any]:
        return segmenter_entry(
            self.cfg, self.name, self.dataset_name, len(self.records), self.settings
        )


def predict_semantic_maps(
    cfg: CfgNode,
    dataset_name: str,
    output: str | os.PathLike | None = None,
    *,
    report_dir: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> MapReport | None:
    """Write the predicted map of each image of a data set; to be called in every process.

    Images whose map exists are skipped, so an interrupted run can be resumed.

    Args:
        cfg: of the network, with MODEL.WEIGHTS and MODEL.SEMANTIC.MAPS.
        dataset_name: a data set with tags; it is registered if need be.
        output: folder of the maps; None: WSSS_maps of the data's root.
        report_dir: folder for ``maps.json`` and ``maps.png`` (contact sheet); None: neither.
        overwrite: make all maps again.

    Returns:
        Numbers of the maps, on the main process; None elsewhere. With ground truth, mean IoU of the
        weak maps of INPUT.MAPS_DIR, where these images have them, of the predictions made in this
        call before and after refinement (each pixel decided), and of all maps as written.

    Raises:
        ValueError: weights that do not fit, images without tags, or maps that were made with other
            weights or settings.
    """
    options = cfg.MODEL.SEMANTIC.MAPS
    stage = SegmenterStage(
        cfg,
        dataset_name,
        output,
        name="predicted semantic maps",
        folder=MAPS,
        suffix=".png",
        settings=options,
    )
    model = stage.load_model()
    return make_map_files(
        stage,
        lambda image, tags: predicted_scores(model, image, tags, options),
        options.IGNORE_MARGIN,
        report_dir=report_dir,
        overwrite=overwrite,
        before=lambda: _weak_maps(stage),
    )


def predicted_scores(
    model: WeakMapSegmenter, image: Tensor, image_labels: Tensor, options: CfgNode
) -> tuple[Tensor, Tensor]:
    """Scores of background and tagged classes in one image, before and after refinement.

    Args:
        model: in evaluation mode.
        image: (3, H, W) uint8, in the order of INPUT.FORMAT; at INPUT.TEST_SIZE, if that is set.
        image_labels: (C,) bool, K of them set.
        options: MODEL.SEMANTIC.MAPS.

    Returns:
        Twice (K+1, H, W) float32, summing to 1 in each pixel, the background first.
    """
    scores = model.tag_probabilities(image, image_labels, options.SCALES)
    return scores, refined_scores(scores, image, options)


def _weak_maps(stage: SegmenterStage) -> dict[str, np.ndarray]:
    """The confusion matrix of the maps in INPUT.MAPS_DIR; none without them or ground truth."""
    if not has_ground_truth(stage.dataset_name):
        return {}
    paths = [label_path(record, stage.cfg.INPUT.MAPS_DIR, ".png") for record in stage.records]
    is_there = all(path is not None and os.path.isfile(path) for path in paths)
    if not is_there or Path(str(paths[0])).parent.resolve() == stage.folder.resolve():
        return {}
    truth = SemanticTruth(stage.dataset_name)
    confusion = sum(
        count_confusions(
            truth.read(record["image_id"]), read_semantic_map(str(path)), len(stage.class_names)
        )
        for record, path in zip(stage.records, paths, strict=True)
    )
    return {"weak maps": np.asarray(confusion)}
