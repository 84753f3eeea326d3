"""Evaluators by name.

``TEST.EVALUATORS`` names the evaluators that a data set gets.
"""

from collections.abc import Callable

from detectron2.config import CfgNode
from detectron2.evaluation import DatasetEvaluator, DatasetEvaluators

from bestie.evaluation.coco import build_coco_evaluator
from bestie.evaluation.tags import TagEvaluator
from bestie.evaluation.voc_ap import VOCInstanceEvaluator
from bestie.method import METHODS, predicts

__all__ = ["build_evaluator"]


def build_evaluator(
    cfg: CfgNode, dataset_name: str, output_folder: str | None = None
) -> DatasetEvaluators:
    """Build the evaluators of ``TEST.EVALUATORS``.

    Args:
        cfg: TEST.EVALUATORS and TEST.DETECTIONS_PER_IMAGE (the limit of COCO AP) are read.
        dataset_name: a registered data set.
        output_folder: where the COCO evaluator leaves its predictions; None: nowhere.

    Raises:
        ValueError: an evaluator that is not known or does not fit the model, or a data set
            without the ground truth that one needs.
    """
    problems = [text for method in METHODS.values() for text in method.check_evaluation(cfg)]
    if problems:
        raise ValueError("; ".join(problems))
    accepted = {"tags": ("tags",), "instances": ("voc", "coco")}.get(predicts(cfg), ())
    wrong = [name for name in cfg.TEST.EVALUATORS if name not in accepted]
    if wrong:
        raise ValueError(
            f"TEST.EVALUATORS: {cfg.MODEL.META_ARCHITECTURE} can be scored by "
            f"{', '.join(accepted) or 'none of them'}; got {wrong}"
        )
    builders: dict[str, Callable[[], DatasetEvaluator]] = {
        "voc": lambda: VOCInstanceEvaluator(dataset_name),
        "coco": lambda: build_coco_evaluator(
            dataset_name, cfg.TEST.DETECTIONS_PER_IMAGE, output_folder
        ),
        "tags": lambda: TagEvaluator(dataset_name),
    }
    return DatasetEvaluators([builders[name]() for name in cfg.TEST.EVALUATORS])
