"""Average precision as COCO measures it.

Comes in: a model's predictions (through Detectron2's evaluator) or labels that are on disk
already. Goes out: AP, AP50, AP75 of the masks in percent. ``TEST.EVALUATORS "coco"`` and the
label quality use it. Always by the official code of pycocotools: the same numbers whether or not
Detectron2's compiled one was built.
"""

import contextlib
import io
import os
from collections.abc import Mapping

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.structures import BoxMode
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bestie.evaluation.masks import LabelledMasks

__all__ = ["build_coco_evaluator", "coco_average_precision"]


class _MaskEvaluator(COCOEvaluator):
    """Detectron2's evaluator, taking run-length codes as they are."""

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


def build_coco_evaluator(
    dataset_name: str, max_detections: int, output_folder: str | None = None
) -> COCOEvaluator:
    """Detectron2's evaluator of mask AP: ``{"segm": {"AP": percent, "AP50": ..., ...}}``.

    Args:
        dataset_name: a registered data set.
        max_detections: predictions of the highest scores that count, an image (COCO: 100).
        output_folder: where to leave the raw predictions; None: nowhere.

    Raises:
        ValueError: the data set has no COCO json.
    """
    json_file = MetadataCatalog.get(dataset_name).get("json_file")
    if json_file is None or not os.path.isfile(json_file):
        raise ValueError(
            f"TEST.EVALUATORS 'coco' needs a COCO json with the true instances of '{dataset_name}' "
            f"({json_file or 'annotations/instances_<split>.json'}), which does not exist"
        )
    return _MaskEvaluator(
        dataset_name,
        tasks=("segm",),
        output_dir=output_folder,
        max_dets_per_image=max_detections,
        use_fast_impl=False,
    )


def coco_average_precision(
    json_file: str,
    labels: Mapping[int, LabelledMasks],
    category_of_class: Mapping[int, int],
    max_detections: int = 100,
) -> dict[str, float]:
    """Mask AP of labels against a COCO json.

    Args:
        json_file: the true instances.
        labels: image id -> labels with scores.
        category_of_class: class -> category id of ``json_file``.
        max_detections: labels of the highest scores that count, an image.

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
        truth = COCO(json_file)
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    # (T, R, K, A, M): IoU thresholds 0.5, 0.55, ..., recalls, classes, area ranges, limits;
    # -1 where it is not defined.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    at = {"AP": precision, "AP50": precision[0], "AP75": precision[5]}
    return {name: _mean_percent(values) for name, values in at.items()}


def _mean_percent(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean() * 100) if defined.size else float("nan")
