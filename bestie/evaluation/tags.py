"""Quality of predicted tags: average precision and F1 per class.

Compares class probabilities of each image with its true tags: mAP, mean F1, and both per class, in
percent. ``TEST.EVALUATORS "tags"`` selects :class:`TagEvaluator`.
"""

import logging
from collections.abc import Sequence

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from detectron2.utils.logger import create_small_table

from bestie.evaluation.voc_ap import average_precision

__all__ = ["TagEvaluator", "tag_metrics"]

logger = logging.getLogger(__name__)


def tag_metrics(
    scores: np.ndarray, tags: np.ndarray, class_names: Sequence[str], threshold: float = 0.5
) -> dict[str, float]:
    """Score a classifier.

    Args:
        scores: (N, C) probabilities.
        tags: (N, C) bool, the true tags.
        class_names: C names.
        threshold: probability from which a class counts as predicted, for F1.

    Returns:
        In percent: mAP, F1 (means over the classes that occur), AP-<class>, F1-<class>; AP of a
        class that occurs nowhere is NaN.
    """
    predicted = scores >= threshold
    hits, errors = (predicted & tags).sum(axis=0), (predicted != tags).sum(axis=0)
    f1 = 2 * hits / np.maximum(2 * hits + errors, 1)
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(tags, order, axis=0)
    precision = [average_precision(column, int(column.sum())) for column in ranked.T]
    occurs = tags.any(axis=0)
    metrics = {
        "mAP": float(np.mean(np.array(precision)[occurs]) * 100) if occurs.any() else np.nan,
        "F1": float(np.mean(f1[occurs]) * 100) if occurs.any() else np.nan,
    }
    for name, class_precision, class_f1 in zip(class_names, precision, f1, strict=True):
        metrics[f"AP-{name}"] = class_precision * 100
        metrics[f"F1-{name}"] = float(class_f1 * 100)
    return metrics


class TagEvaluator(DatasetEvaluator):
    """Average precision and F1 of a model's ``tag_scores`` against the tags of the data set."""

    def __init__(self, dataset_name: str, threshold: float = 0.5, distributed: bool = True):
        """
        Args:
            dataset_name: a registered data set.
            threshold: see :func:`tag_metrics`.
            distributed: gather from all processes; else evaluate this process's images alone.

        Raises:
            ValueError: an image of the data set has no tags.
        """
        self._class_names = MetadataCatalog.get(dataset_name).thing_classes
        self._tags = {}
        for record in DatasetCatalog.get(dataset_name):
            if "image_labels" not in record:
                raise ValueError(
                    f"TEST.EVALUATORS 'tags' needs the tags of every image of '{dataset_name}' "
                    f"(image_labels.txt or Annotations/<id>.xml); {record['file_name']} has none"
                )
            self._tags[record["image_id"]] = record["image_labels"]
        self._threshold = threshold
        self._distributed = distributed
        self._scores: dict[int, np.ndarray] = {}

    def reset(self) -> None:
        self._scores = {}

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Keep ``tag_scores`` (C,), probabilities, of some images (by ``image_id``)."""
        for record, output in zip(inputs, outputs, strict=True):
            self._scores[record["image_id"]] = output["tag_scores"].float().cpu().numpy()

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """``{"tags": {"mAP": percent, "F1": ..., ...}}``; None off the main process."""
        scores_by_image = self._scores
        if self._distributed:
            gathered = comm.gather(scores_by_image, dst=0)
            if not comm.is_main_process():
                return None
            scores_by_image = {k: v for part in gathered for k, v in part.items()}
        num_classes = len(self._class_names)
        scores = np.array(list(scores_by_image.values())).reshape(-1, num_classes)
        tags = np.zeros(scores.shape, dtype=bool)
        for row, image_id in enumerate(scores_by_image):
            tags[row, self._tags[image_id]] = True
        metrics = tag_metrics(scores, tags, self._class_names, self._threshold)
        means = {name: metrics[name] for name in ("mAP", "F1")}
        logger.info("Tags:\n%s", create_small_table(means))
        return {"tags": metrics}
