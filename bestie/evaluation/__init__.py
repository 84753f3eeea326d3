"""Measuring predictions and labels, and exporting labels.

Works on model outputs, or on a COCO JSON of labels, of a registered data set: VOC mAP, COCO AP, tag
metrics, label quality, and the export of instances as COCO JSON.
"""

from bestie.evaluation.build import build_evaluator
from bestie.evaluation.coco_export import COCOExporter
from bestie.evaluation.label_quality import LabelQuality, evaluate_labels, measure_label_quality
from bestie.evaluation.label_summary import LabelSummary, summarize_labels
from bestie.evaluation.masks import LabelledMasks
from bestie.evaluation.tags import TagEvaluator
from bestie.evaluation.voc_ap import VOCInstanceEvaluator, instance_average_precision

__all__ = [
    "COCOExporter",
    "LabelQuality",
    "LabelSummary",
    "LabelledMasks",
    "TagEvaluator",
    "VOCInstanceEvaluator",
    "build_evaluator",
    "evaluate_labels",
    "instance_average_precision",
    "measure_label_quality",
    "summarize_labels",
]
