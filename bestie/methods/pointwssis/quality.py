"""Quality of the labels of the weak images, and the curve of the teacher's plain detections.

Everything here reads true masks of weak images (where a root has them) and measures only. What did
not become a label, or a pair of the refiner, is counted by its reason.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from pycocotools import mask as mask_util

from bestie.data import register_dataset
from bestie.evaluation import evaluate_labels
from bestie.evaluation.ground_truth import GroundTruth
from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.evaluation.voc_ap import Matches, match_predictions
from bestie.formats import read_coco
from bestie.pipeline.measurements import labels_of_dataset

__all__ = ["count_refined", "count_served", "count_unpaired", "measure_quality", "precision_recall"]

# Mask IoU of a true positive, and of a good one.
IOU, GOOD_IOU = 0.5, 0.75
# Points of a curve that are kept.
MAX_POINTS = 200


def count_served(clicks: int, labels: str | os.PathLike) -> dict[str, int]:
    """Reason -> number of clicks without a label of their own; empty if labels have no clicks.

    A click has no label if no mask there has the minimum area, no detection contains it (PROMPT
    filter), or another label suppressed that one (NMS_BETWEEN class).

    Args:
        clicks: of the weak images.
        labels: COCO json of their labels.
    """
    found = read_coco(labels)["annotations"]
    if not all("point" in entry for entry in found):
        return {}
    served = sum(entry.get("clicks", 1) for entry in found)
    return {
        "clicks without a label": clicks - served,
        "clicks in the cell of another one of their class": served - len(found),
    }


def count_refined(labels: str | os.PathLike, refined: str | os.PathLike) -> dict[str, int]:
    """Number of labels that the refiner left as they were.

    Args:
        labels: COCO json before the refiner.
        refined: COCO json after it.
    """
    before, after = (
        [(entry["image_id"], entry["segmentation"]["counts"]) for entry in coco["annotations"]]
        for coco in map(read_coco, (labels, refined))
    )
    same = Counter(before) & Counter(after)
    return {"labels that the refiner left as they were": same.total()}


def count_unpaired(
    rough: Sequence[str | os.PathLike], pairs: str | os.PathLike, min_area: int
) -> dict[str, int]:
    """Reason -> number of rough masks of strong images that do not train the refiner.

    Args:
        rough: COCO jsons of rough masks, one per checkpoint of the teacher.
        pairs: COCO json of rough and true masks.
        min_area: MODEL.REFINER.MIN_AREA.
    """
    paired = read_coco(pairs)["annotations"]
    masks = sum(len(read_coco(path)["annotations"]) for path in rough)
    # One at a time: of more than 255 at once, pycocotools 2.0.11 cannot tell the areas.
    small = sum(int(mask_util.area(entry["rough"])) < min_area for entry in paired)
    return {
        "rough masks of strong images without a true instance": masks - len(paired),
        "pairs under MODEL.REFINER.MIN_AREA": small,
    }


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
