"""Average precision as COCO measures it.

AP, AP50 and AP75 of masks, in percent, either of a model's predictions (through Detectron2's
evaluator; ``TEST.EVALUATORS "coco"``) or of labels on disk. Always computed by the official code of
pycocotools, so the numbers do not depend on whether Detectron2's compiled version was built.

COCO counts only the 100 predictions of the highest scores per image and class. In crowds that is
fewer than there are objects, so the limit is a setting, and every result names the one it used:
``TEST.DETECTIONS_PER_IMAGE`` for a model (100 unless configured: what papers mean by COCO AP), or
for labels on disk what :func:`detection_limit` gives for the ground truth.
"""

import contextlib
import io
import logging
import math
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.structures import BoxMode
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bestie.evaluation.masks import LabelledMasks
from bestie.formats import read_coco

__all__ = [
    "COCO_LIMIT",
    "build_coco_evaluator",
    "coco_average_precision",
    "detection_limit",
    "largest_crowd",
    "load_truth",
]

logger = logging.getLogger(__name__)

# COCO's standard limit of detections per image and class.
COCO_LIMIT = 100
# Detections per object of the fullest image, where it holds more than COCO's limit; the result is
# rounded up to a multiple of STEP.
MARGIN, STEP = 1.5, 50


def detection_limit(most_objects: int) -> int:
    """Detections per image that a data set needs: COCO's 100, or more for crowds.

    Args:
        most_objects: objects of the image that has most of them.

    Returns:
        100 up to 100 objects, so that results can be compared with papers; beyond, 1.5 times the
        objects (false positives take places too), rounded up to a multiple of 50.
    """
    if most_objects <= COCO_LIMIT:
        return COCO_LIMIT
    return math.ceil(most_objects * MARGIN / STEP) * STEP


def largest_crowd(annotations: list[Mapping]) -> int:
    """Most objects of one class in one image, crowd regions apart; 0 without annotations."""
    counts = Counter(
        (entry["image_id"], entry["category_id"])
        for entry in annotations
        if not entry.get("iscrowd", 0)
    )
    return max(counts.values(), default=0)


class _MaskEvaluator(COCOEvaluator):
    """Detectron2's evaluator, right for annotation id 0; masks may be run-length codes.

    Its results name the limit."""

    def __init__(self, dataset_name: str, **options: Any):
        super().__init__(dataset_name, tasks=("segm",), use_fast_impl=False, **options)
        _renumber(self._coco_api)
        limit, crowd = (
            self._max_dets_per_image[-1],
            largest_crowd(self._coco_api.dataset.get("annotations", [])),
        )
        if crowd > limit:
            logger.warning(
                "TEST.DETECTIONS_PER_IMAGE %d is too small for %s: an image holds %d objects of "
                "one class, and COCO AP counts only the %d predictions of the highest scores; "
                "%d would do.",
                limit,
                dataset_name,
                crowd,
                limit,
                detection_limit(crowd),
            )

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Keep the ``instances`` of some images (by ``image_id``) as COCO results."""
        for given, output in zip(inputs, outputs, strict=True):
            instances = output["instances"]
            masks = LabelledMasks.from_instances(instances)
            corners = instances.pred_boxes.tensor.cpu().numpy()
            boxes = BoxMode.convert(corners, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
            columns = (masks.classes.tolist(), boxes.tolist(), masks.scores.tolist(), masks.rles)
            names = ("category_id", "bbox", "score", "segmentation")
            results = [
                {"image_id": given["image_id"]} | dict(zip(names, values, strict=True))
                for values in zip(*columns, strict=True)
            ]
            self._predictions.append({"image_id": given["image_id"], "instances": results})

    def _derive_coco_results(
        self, coco_eval: Any, iou_type: str, class_names: Any = None
    ) -> dict[str, float]:
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        return results | {"max_detections": self._max_dets_per_image[-1]}


def build_coco_evaluator(
    dataset_name: str, max_detections: int, output_folder: str | None = None
) -> COCOEvaluator:
    """Detectron2's evaluator of mask AP.

    Its result is ``{"segm": {"AP": percent, "AP50": ..., ..., "max_detections": limit}}``.

    Args:
        dataset_name: a registered data set.
        max_detections: predictions of the highest scores that count per image and class (COCO:
            100).
        output_folder: where to leave the raw predictions; None: nowhere.

    Raises:
        ValueError: the data set has no COCO JSON.
    """
    json_file = MetadataCatalog.get(dataset_name).get("json_file")
    if json_file is None or not os.path.isfile(json_file):
        raise ValueError(
            f"TEST.EVALUATORS 'coco' needs a COCO json with the true instances of '{dataset_name}' "
            f"({json_file or 'annotations/instances_<split>.json'}), which does not exist"
        )
    return _MaskEvaluator(dataset_name, output_dir=output_folder, max_dets_per_image=max_detections)


def load_truth(json_file: str) -> COCO:
    """The true instances of a COCO JSON, as pycocotools wants them.

    Raises:
        DataError: the JSON is broken.
    """
    truth = COCO()
    truth.dataset = read_coco(json_file)
    _renumber(truth)
    return truth


def coco_average_precision(
    truth: COCO,
    labels: Mapping[int, LabelledMasks],
    category_of_class: Mapping[int, int],
    max_detections: int = COCO_LIMIT,
) -> dict[str, float]:
    """Mask AP of labels against the true instances.

    Args:
        truth: of :func:`load_truth`.
        labels: image id -> labels with scores.
        category_of_class: class -> category id of ``truth``.
        max_detections: labels of the highest scores that count per image and class.

    Returns:
        AP, AP50, AP75 in percent; 0 without labels, else NaN if there are no objects.
    """
    results = [
        {
            "image_id": image_id,
            "category_id": category_of_class[int(class_id)],
            "segmentation": rle,
            "score": float(score),
        }
        for image_id, masks in labels.items()
        for rle, class_id, score in zip(masks.rles, masks.classes, masks.scores, strict=True)
    ]
    if not results:  # pycocotools rejects an empty list
        return {"AP": 0.0, "AP50": 0.0, "AP75": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.params.maxDets = [max_detections]
        # Objects of all sizes only: by size it would take four times as long, for nothing.
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        evaluation.evaluate()
        evaluation.accumulate()
    # (T, R, K, A, M): IoU thresholds 0.5, 0.55, ..., recalls, classes, area ranges, limits;
    # -1 where it is not defined.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    at = {"AP": precision, "AP50": precision[0], "AP75": precision[5]}
    return {name: _mean_percent(values) for name, values in at.items()}


def _renumber(truth: COCO) -> None:
    """Number the annotations from 1: pycocotools takes a match with id 0 for no match."""
    for number, entry in enumerate(truth.dataset.get("annotations", []), 1):
        entry["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()


def _mean_percent(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean() * 100) if defined.size else float("nan")
