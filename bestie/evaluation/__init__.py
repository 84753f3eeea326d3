"""Measuring predictions and labels, and exporting them.

Comes in: model outputs, or a COCO json of labels, and a registered data set. Goes out: VOC mAP,
COCO AP, tag metrics, label quality, reports of cues and weak maps; or the exported json.
Called by the trainer, the pipeline and the tools.
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
