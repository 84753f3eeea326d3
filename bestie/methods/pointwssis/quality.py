"""Quality of the labels of the weak images, and the curve of the teacher's plain detections.

Everything here reads true masks of weak images (where a root has them) and measures only.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.evaluation import evaluate_labels
from bestie.evaluation.ground_truth import GroundTruth
from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.evaluation.voc_ap import Matches, match_predictions
from bestie.formats import read_coco
from bestie.pipeline.measurements import labels_of_dataset

__all__ = ["measure_quality", "precision_recall"]

# Mask IoU of a true positive, and of a good one.
IOU, GOOD_IOU = 0.5, 0.75
# Points of a curve that are kept.
MAX_POINTS = 200


def measure_quality(
    labels: Mapping[str, str | os.PathLike],
    plain: str | os.PathLike,
    *,
    dataset: str,
    subset: str,
    has_truth: bool,
) -> dict[str, Any]:
    """What ``quality.json`` holds.

    Args:
        labels: stage -> COCO json of labels of all weak images, the final ones last.
        plain: COCO json of plain detections of the images of ``subset``.
        dataset: name of the weak images.
        subset: name of those of them that ``plain`` is about.
        has_truth: whether they have true masks.

    Returns:
        "truth"; "counts" (stage -> number of labels); and, with truth, "labels" (the final ones, as
        ``LabelEvaluation.as_dict``), "stages" (stage -> metrics, ratios in percent), and "curve":
        "plain" -> recall and precision, and for each stage its point, all on the subset.
    """
    contents = {stage: read_coco(path) for stage, path in labels.items()}
    counts = {stage: len(coco["annotations"]) for stage, coco in contents.items()}
    if not has_truth:
        return {"truth": False, "counts": counts}
    for name in (dataset, subset):
        register_dataset(name)
    stages, final = {}, {}
    for stage, coco in contents.items():
        final = evaluate_labels(coco, dataset, IOU).as_dict()
        good = evaluate_labels(coco, dataset, GOOD_IOU).quality.total()
        more = {f"{key}75": good[key] for key in ("recall", "precision")}
        stages[stage] = final["total"] | more
    recall, precision = precision_recall(_matches(read_coco(plain), subset))
    # Evenly over the recall: most detections of low score change nothing.
    kept = np.unique(np.linspace(0, len(recall) - 1, MAX_POINTS).round().astype(int))
    kept = kept if len(recall) else kept[:0]  # a teacher may find nothing
    curve = {"plain": {"recall": recall[kept].tolist(), "precision": precision[kept].tolist()}}
    for stage, coco in contents.items():
        total = evaluate_labels(labels_of_dataset(coco, subset), subset, IOU).quality.total()
        curve[stage] = {key: [total[key]] for key in ("recall", "precision")}
    return {"truth": True, "counts": counts, "labels": final, "stages": stages, "curve": curve}


def precision_recall(matches: Matches, threshold: float = IOU) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of the P predictions by falling score, in percent, (P,) float64 each.

    A prediction is right if it overlaps an object of its class by ``threshold`` and no prediction
    of a higher score has that object.
    """
    order = np.argsort(-matches.scores, kind="stable")
    good = np.flatnonzero((matches.overlaps[order] >= threshold) & (matches.objects[order] >= 0))
    _, first = np.unique(matches.objects[order][good], return_index=True)
    hits = np.zeros(len(order), bool)
    hits[good[first]] = True
    found = np.cumsum(hits)
    recall = 100 * found / max(1, len(matches.object_classes))
    return recall, 100 * found / np.arange(1, len(order) + 1)


def _matches(coco: dict[str, Any], dataset: str) -> Matches:
    truth, by_image = GroundTruth(dataset), annotations_by_image(coco)
    classes = MetadataCatalog.get(dataset).thing_dataset_id_to_contiguous_id
    parts = []
    for record in DatasetCatalog.get(dataset):
        size = (record["height"], record["width"])
        found = by_image.get(record["image_id"], [])
        predictions = LabelledMasks.from_annotations(found, size, classes)
        parts.append(match_predictions(predictions, truth.objects(record["image_id"])))
    return Matches.concatenate(parts)
