"""Average precision of instance masks as PASCAL VOC measures it (mAP at IoU 0.25, 0.5, 0.7, 0.75).

One average precision per IoU threshold and class. ``TEST.EVALUATORS "voc"`` selects
:class:`VOCInstanceEvaluator`; the label quality uses the functions.

Each prediction is tied to the object of its class and image that it overlaps most. It is a hit if
the overlap reaches the threshold and no prediction of a higher score has that object already.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from detectron2.utils.logger import create_small_table

from bestie.evaluation.ground_truth import GroundTruth
from bestie.evaluation.masks import LabelledMasks, mask_iou

__all__ = [
    "IOU_THRESHOLDS",
    "Matches",
    "VOCInstanceEvaluator",
    "average_precision",
    "instance_average_precision",
    "match_predictions",
    "summarize_average_precision",
]

IOU_THRESHOLDS = (0.25, 0.5, 0.7, 0.75)
# Recall levels of the 11-point metric. A level such as 3 * 0.1 lies one rounding step above 0.3, as
# in the usual code for this metric, so a recall of exactly 3/10 does not reach it.
RECALL_LEVELS = np.linspace(0, 1, 11)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matches:
    """P predictions of some images, each tied to its best object, and the images' G objects.

    Attributes:
        classes (np.ndarray): (P,) int64.
        scores (np.ndarray): (P,) float64.
        overlaps (np.ndarray): (P,) float64, mask IoU with the object; 0 without one.
        objects (np.ndarray): (P,) int64 in [0, G), or -1: no object of the class in the image.
        object_classes (np.ndarray): (G,) int64.
    """

    classes: np.ndarray
    scores: np.ndarray
    overlaps: np.ndarray
    objects: np.ndarray
    object_classes: np.ndarray

    @staticmethod
    def concatenate(parts: Sequence["Matches"]) -> "Matches":
        """Join the matches of several images."""
        ends = np.cumsum([0] + [len(part.object_classes) for part in parts])
        objects = [
            np.where(part.objects < 0, -1, part.objects + start)
            for part, start in zip(parts, ends[:-1], strict=True)
        ]
        return Matches(
            np.concatenate([part.classes for part in parts] + [np.zeros(0, np.int64)]),
            np.concatenate([part.scores for part in parts] + [np.zeros(0)]),
            np.concatenate([part.overlaps for part in parts] + [np.zeros(0)]),
            np.concatenate(objects + [np.zeros(0, np.int64)]),
            np.concatenate([part.object_classes for part in parts] + [np.zeros(0, np.int64)]),
        )


def match_predictions(predictions: LabelledMasks, objects: LabelledMasks) -> Matches:
    """Tie each prediction of one image to the object of its class with the highest mask IoU.

    Of equal overlaps the object listed first wins.
    """
    if len(predictions) == 0 or len(objects) == 0:
        overlaps = np.zeros(len(predictions))
        best = np.full(len(predictions), -1, dtype=np.int64)
    else:
        same_class = predictions.classes[:, None] == objects.classes
        iou = np.where(same_class, mask_iou(predictions, objects), -1.0)
        best = np.where(same_class.any(axis=1), iou.argmax(axis=1), -1)
        overlaps = iou.max(axis=1).clip(min=0)
    return Matches(predictions.classes, predictions.scores, overlaps, best, objects.classes)


def average_precision(hits: np.ndarray, num_objects: int, eleven_point: bool = False) -> float:
    """Average precision of a ranked list.

    Args:
        hits: (P,) bool, predictions by falling score.
        num_objects: number of objects to be found.
        eleven_point: mean of the best precision at 11 recall levels (VOC 2007) in place of the area
            under the monotone precision-recall curve.

    Returns:
        A value in [0, 1]; NaN if there are no objects.
    """
    if num_objects == 0:
        return float("nan")
    true_positives = np.cumsum(hits)
    precision = true_positives / np.arange(1, len(hits) + 1)
    # Best precision at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if not eleven_point:
        # The recall rises by 1 / num_objects at every hit.
        return float(envelope[hits].sum() / num_objects)
    first = np.searchsorted(true_positives / num_objects, RECALL_LEVELS)
    return float(np.append(envelope, 0.0)[first].mean())


def instance_average_precision(
    matches: Matches,
    num_classes: int,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
    eleven_point: bool = False,
) -> np.ndarray:
    """Average precision per IoU threshold and class.

    Args:
        matches: predictions and objects of all images. Predictions of equal score count in the
            order in which they stand here.
        num_classes: C.
        thresholds: T mask IoUs; an overlap equal to one reaches it.
        eleven_point: see :func:`average_precision`.

    Returns:
        (T, C) float64 in [0, 1]; NaN for classes without objects.
    """
    result = np.full((len(thresholds), num_classes), np.nan)
    for class_id in np.unique(matches.object_classes):
        of_class = np.flatnonzero(matches.classes == class_id)
        ranked = of_class[np.argsort(-matches.scores[of_class], kind="stable")]
        num_objects = int((matches.object_classes == class_id).sum())
        for row, threshold in enumerate(thresholds):
            good = np.flatnonzero(
                (matches.overlaps[ranked] >= threshold) & (matches.objects[ranked] >= 0)
            )
            # The highest-scored prediction of each object.
            _, first = np.unique(matches.objects[ranked[good]], return_index=True)
            hits = np.zeros(len(ranked), dtype=bool)
            hits[good[first]] = True
            result[row, class_id] = average_precision(hits, num_objects, eleven_point)
    return result


def summarize_average_precision(
    average_precisions: np.ndarray, class_names: Sequence[str]
) -> dict[str, float]:
    """Name the results, in percent: mAP25, mAP50, mAP70, mAP75 and AP50-<class>.

    Args:
        average_precisions: (T, C) for :data:`IOU_THRESHOLDS`; classes of NaN do not enter the
            means.
        class_names: C names.
    """
    defined = ~np.isnan(average_precisions[0])
    summary = {}
    for threshold, row in zip(IOU_THRESHOLDS, average_precisions, strict=True):
        mean = row[defined].mean() if defined.any() else np.nan
        summary[f"mAP{threshold * 100:.0f}"] = float(mean * 100)
    at_half = average_precisions[IOU_THRESHOLDS.index(0.5)]
    for name, value in zip(class_names, at_half, strict=True):
        summary[f"AP50-{name}"] = float(value * 100)
    return summary


class VOCInstanceEvaluator(DatasetEvaluator):
    """VOC mAP of a model's instances.

    Each process compares its own images as they come and keeps a few numbers a prediction, no
    masks.
    """

    def __init__(self, dataset_name: str, distributed: bool = True):
        """
        Args:
            dataset_name: a registered data set.
            distributed: gather from all processes; else evaluate this process's images alone.

        Raises:
            ValueError: the data set has no ground truth masks.
        """
        self._ground_truth = GroundTruth(dataset_name)
        self._distributed = distributed
        self._matches: list[Matches] = []

    def reset(self) -> None:
        self._matches = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Compare the ``instances`` of some images with their objects (by ``image_id``)."""
        num_classes = len(self._ground_truth.class_names)
        for record, output in zip(inputs, outputs, strict=True):
            predictions = LabelledMasks.from_instances(output["instances"])
            if (predictions.classes >= num_classes).any():
                raise ValueError(
                    f"the model predicts class {predictions.classes.max()} but the data set has "
                    f"{num_classes} classes (MODEL.*.NUM_CLASSES)"
                )
            objects = self._ground_truth.objects(record["image_id"])
            self._matches.append(match_predictions(predictions, objects))

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """``{"voc": {"mAP25": percent, ..., "AP50-<class>": percent}}``; None off the main process.

        The means run over the classes that have objects in the processed images.
        """
        matches = Matches.concatenate(self._matches)
        if self._distributed:
            gathered = comm.gather(matches, dst=0)
            if not comm.is_main_process():
                return None
            matches = Matches.concatenate(gathered)
        class_names = self._ground_truth.class_names
        values = instance_average_precision(matches, len(class_names))
        summary = summarize_average_precision(values, class_names)
        means = {name: value for name, value in summary.items() if name.startswith("mAP")}
        logger.info("VOC instance mAP:\n%s", create_small_table(means))
        return {"voc": summary}
