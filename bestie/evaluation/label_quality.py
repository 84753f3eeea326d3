"""Quality of labels: true positives, precision, recall and mask IoU against the true instances.

Compares labels (a COCO JSON, or arrays) with the ground truth of a registered data set: counts and
means per class, and the average precision of labels that have scores. A label is a true positive if
it is matched, one to one, with an object of its class at a mask IoU of 0.5 or more, as the paper
counts in figure 6.
"""

import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from detectron2.data import MetadataCatalog
from tabulate import tabulate

from bestie.evaluation.coco import (
    coco_average_precision,
    detection_limit,
    largest_crowd,
    load_truth,
)
from bestie.evaluation.ground_truth import GroundTruth
from bestie.evaluation.masks import LabelledMasks, annotations_by_image, mask_iou
from bestie.evaluation.voc_ap import (
    Matches,
    instance_average_precision,
    match_predictions,
    summarize_average_precision,
)
from bestie.formats import DataError, read_coco

__all__ = [
    "LabelEvaluation",
    "LabelQuality",
    "evaluate_labels",
    "match_labels",
    "measure_label_quality",
]

logger = logging.getLogger(__name__)

# Metric -> why it is NaN where it is.
UNDEFINED = {
    "precision": "there is no label",
    "recall": "there is no true object",
    "matched_iou": "there is no true positive",
    "best_iou": "there is no true object",
}


@dataclass(frozen=True)
class LabelQuality:
    """Counts and sums per class, (C,) each.

    Attributes:
        labels (np.ndarray): int64, number of labels.
        objects (np.ndarray): int64, number of true instances.
        true_positives (np.ndarray): int64, matched pairs.
        matched_iou (np.ndarray): float64, sum of the mask IoU of the matched pairs.
        best_iou (np.ndarray): float64, sum over the objects of the highest mask IoU with any
            label of the class (0 without one).
    """

    labels: np.ndarray
    objects: np.ndarray
    true_positives: np.ndarray
    matched_iou: np.ndarray
    best_iou: np.ndarray

    def __add__(self, other: "LabelQuality") -> "LabelQuality":
        return LabelQuality(*(a + b for a, b in zip(self._sums(), other._sums(), strict=True)))

    def per_class(self, class_names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Metrics of each class that has labels or objects."""
        return {
            name: _metrics(*(values[index].item() for values in self._sums()))
            for index, name in enumerate(class_names)
            if self.labels[index] or self.objects[index]
        }

    def total(self) -> dict[str, float]:
        """Metrics over all instances of all classes."""
        return _metrics(*(values.sum().item() for values in self._sums()))

    def table(self, class_names: Sequence[str]) -> str:
        """A text table, one class a row, the total last."""
        rows = {**self.per_class(class_names), "total": self.total()}
        headers = ["class", *(name.replace("_", " ") for name in self.total())]
        cells = [[name, *metrics.values()] for name, metrics in rows.items()]
        return tabulate(cells, headers, tablefmt="pipe", floatfmt=".1f")

    def _sums(self) -> tuple[np.ndarray, ...]:
        return self.labels, self.objects, self.true_positives, self.matched_iou, self.best_iou


def _metrics(
    labels: int, objects: int, true_positives: int, matched_iou: float, best_iou: float
) -> dict[str, float]:
    """Ratios in percent; NaN if the denominator is 0."""

    def percent(part: float, whole: int) -> float:
        return 100 * part / whole if whole else float("nan")

    return {
        "labels": labels,
        "objects": objects,
        "true_positives": true_positives,
        "false_positives": labels - true_positives,
        "precision": percent(true_positives, labels),
        "recall": percent(true_positives, objects),
        "matched_iou": percent(matched_iou, true_positives),
        "best_iou": percent(best_iou, objects),
    }


def match_labels(
    labels: LabelledMasks, objects: LabelledMasks, threshold: float = 0.5
) -> list[tuple[int, int, float]]:
    """Match labels and objects of one image one to one, the highest mask IoU first.

    Returns:
        (label, object, IoU) of the pairs of one class with an IoU of ``threshold`` or more.
    """
    iou = _same_class_iou(labels, objects)
    pairs = np.argwhere(iou >= threshold)
    order = np.argsort(-iou[pairs[:, 0], pairs[:, 1]], kind="stable")
    matched, used_labels, used_objects = [], set(), set()
    for label, object_ in pairs[order].tolist():
        if label not in used_labels and object_ not in used_objects:
            used_labels.add(label)
            used_objects.add(object_)
            matched.append((label, object_, float(iou[label, object_])))
    return matched


def measure_label_quality(
    images: Iterable[tuple[LabelledMasks, LabelledMasks]], num_classes: int, threshold: float = 0.5
) -> LabelQuality:
    """Compare labels with objects over images.

    Args:
        images: (labels, objects) of each image; each is looked at once.
        num_classes: C.
        threshold: mask IoU in (0, 1] that a true positive needs.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the mask IoU of a true positive must lie in (0, 1], got {threshold}")
    counts, sums = np.zeros((3, num_classes), np.int64), np.zeros((2, num_classes))
    total = LabelQuality(*counts, *sums)
    for labels, objects in images:
        matched = match_labels(labels, objects, threshold)
        matched_classes = labels.classes[[label for label, _, _ in matched]]
        best = _same_class_iou(labels, objects).max(axis=0, initial=0.0)
        total += LabelQuality(
            np.bincount(labels.classes, minlength=num_classes),
            np.bincount(objects.classes, minlength=num_classes),
            np.bincount(matched_classes, minlength=num_classes),
            np.bincount(matched_classes, [iou for _, _, iou in matched], num_classes),
            np.bincount(objects.classes, best, num_classes),
        )
    return total


def _same_class_iou(labels: LabelledMasks, objects: LabelledMasks) -> np.ndarray:
    same_class = labels.classes[:, None] == objects.classes
    return np.where(same_class, mask_iou(labels, objects), 0.0)


@dataclass(frozen=True)
class LabelEvaluation:
    """What :func:`evaluate_labels` found.

    Attributes:
        quality (LabelQuality): counts per class.
        class_names (list[str]): C names.
        average_precision (dict | None): mAP25, mAP50, mAP70, mAP75 as VOC measures them and, if
            the data set has a COCO JSON, AP, AP50, AP75, all in percent; None for labels without
            scores.
        max_detections (int | None): labels per image and class that COCO AP counted; None without
            COCO AP.
        without_average_precision (str): why there is none; "" if there is.
    """

    quality: LabelQuality
    class_names: list[str]
    average_precision: dict[str, float] | None
    max_detections: int | None = None
    without_average_precision: str = ""

    def as_dict(self) -> dict:
        """Everything as plain numbers, for json; "reasons" says why a number is none."""
        total, per_class = self.quality.total(), self.quality.per_class(self.class_names)
        return {
            "total": total,
            "per_class": per_class,
            "average_precision": self.average_precision,
            "max_detections": self.max_detections,
            "reasons": self._reasons([total, *per_class.values()]),
        }

    def _reasons(self, metrics: Sequence[Mapping[str, float]]) -> dict[str, str]:
        """Metric that is not defined, over all classes or for some -> why."""
        found = {
            name: why
            for name, why in UNDEFINED.items()
            if any(math.isnan(values[name]) for values in metrics)
        }
        if self.average_precision is None:
            return found | {"average_precision": self.without_average_precision}
        for name, value in self.average_precision.items():
            if math.isnan(value):
                found[name] = "the data set has no object"
        if self.max_detections is None:
            found["max_detections"] = "the data set has no COCO json, so there is no COCO AP"
        return found

    def table(self) -> str:
        """Text tables for people."""
        parts = [self.quality.table(self.class_names)]
        if self.average_precision is not None:
            cells = [list(self.average_precision.values())]
            headers = list(self.average_precision)
            parts.append(tabulate(cells, headers, tablefmt="pipe", floatfmt=".1f"))
        if self.max_detections is not None:
            parts.append(
                f"COCO AP counts the {self.max_detections} labels of the highest scores per image "
                "and class."
            )
        return "\n\n".join(parts)


def evaluate_labels(
    labels: str | os.PathLike | Mapping,
    dataset_name: str,
    threshold: float = 0.5,
    max_detections: int | None = None,
) -> LabelEvaluation:
    """Score a COCO JSON of labels against the ground truth of a data set.

    Args:
        labels: path of the json, or its content. Images are matched by id, classes by their
            name.
        dataset_name: a registered data set with ground truth.
        threshold: mask IoU that a true positive needs.
        max_detections: labels of the highest scores that count for COCO AP, per image and class;
            None: COCO's 100, or more if the true objects are more
            (:func:`bestie.evaluation.coco.detection_limit`).

    Raises:
        ValueError: the data set has no ground truth; or the json names images or classes that the
            data set does not have; or a limit below 1.
    """
    if max_detections is not None and max_detections < 1:
        raise ValueError(f"--max-detections must be 1 or more, got {max_detections}")
    if isinstance(labels, Mapping):
        path, coco = None, labels
    else:
        path, coco = os.fspath(labels), read_coco(labels)
    truth = GroundTruth(dataset_name)
    by_image = _labels_by_image(coco, truth, dataset_name, path)
    num_classes = len(truth.class_names)
    matches = []

    def compared() -> Iterable[tuple[LabelledMasks, LabelledMasks]]:
        for image_id, masks in by_image.items():
            objects = truth.objects(image_id)
            matches.append(match_predictions(masks, objects))
            yield masks, objects

    quality = measure_label_quality(compared(), num_classes, threshold)
    average_precision = limit = None
    unscored = sum("score" not in entry for entry in coco["annotations"])
    if coco["annotations"] and not unscored:
        values = instance_average_precision(Matches.concatenate(matches), num_classes)
        summary = summarize_average_precision(values, truth.class_names)
        average_precision = {k: v for k, v in summary.items() if k.startswith("mAP")}
        found, limit = _coco_results(dataset_name, by_image, max_detections)
        average_precision |= found
    why = "" if average_precision is not None else _why_unranked(coco, unscored)
    return LabelEvaluation(quality, truth.class_names, average_precision, limit, why)


def _why_unranked(coco: Mapping, unscored: int) -> str:
    """Why labels have no average precision, which ranks them by score."""
    number = len(coco["annotations"])
    return f"{unscored} of {number} labels have no score" if number else "there is no label"


def _labels_by_image(
    coco: Mapping, truth: GroundTruth, dataset_name: str, path: str | None
) -> dict[int, LabelledMasks]:
    """Labels of every image of the data set, in its order; images missing in the json have none."""
    class_of_name = {name: index for index, name in enumerate(truth.class_names)}
    names = [category["name"] for category in coco["categories"]]
    unknown = [name for name in names if name not in class_of_name]
    if unknown:
        raise DataError(
            f"has categories {unknown} that data set '{dataset_name}' does not have", path
        )
    folder = MetadataCatalog.get(dataset_name).get("image_root", "")
    for image in coco["images"]:
        record = truth.records.get(image["id"])
        if record is None or not _same_image(record["file_name"], image["file_name"], folder):
            found = "no such id" if record is None else record["file_name"]
            raise DataError(
                f"image id {image['id']} is {image['file_name']}, in data set '{dataset_name}' "
                f"it is: {found}",
                path,
            )
    missing = len(truth.records) - len(coco["images"])
    if missing:
        logger.warning(
            "%d of %d images are not listed among the labels; their objects count as missed",
            missing,
            len(truth.records),
        )
    class_of_category = {c["id"]: class_of_name[c["name"]] for c in coco["categories"]}
    annotations = annotations_by_image(coco)
    return {
        image_id: LabelledMasks.from_annotations(
            annotations.get(image_id, []), (record["height"], record["width"]), class_of_category
        )
        for image_id, record in truth.records.items()
    }


def _same_image(path: str, name: str, folder: str) -> bool:
    """Whether a name can be that of an image: suffixes may differ, and one may have more folders.

    Args:
        path: of the image.
        name: file name in the json of the labels.
        folder: of the images, in which the folders of a name begin.
    """
    relative = os.path.relpath(path, folder) if folder else os.path.basename(path)
    ours, theirs = (
        os.path.splitext(text.replace("\\", "/"))[0].split("/") for text in (relative, name)
    )
    common = min(len(ours), len(theirs))
    return ours[-common:] == theirs[-common:]


def _coco_results(
    dataset_name: str, labels: Mapping[int, LabelledMasks], max_detections: int | None
) -> tuple[dict[str, float], int | None]:
    """COCO AP and the limit of detections that it used; ({}, None) without a COCO JSON."""
    metadata = MetadataCatalog.get(dataset_name)
    json_file = metadata.get("json_file")
    if json_file is None or not os.path.isfile(json_file):
        return {}, None
    ids = metadata.thing_dataset_id_to_contiguous_id
    category_of_class = {class_id: category for category, class_id in ids.items()}
    truth = load_truth(json_file)
    crowd = largest_crowd(truth.dataset["annotations"])
    limit = detection_limit(crowd) if max_detections is None else max_detections
    if crowd > limit:
        logger.warning(
            "--max-detections %d is too small: an image of %s holds %d objects of one class",
            limit,
            dataset_name,
            crowd,
        )
    return coco_average_precision(truth, labels, category_of_class, limit), limit
