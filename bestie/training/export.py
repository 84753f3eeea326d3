"""Export of labels: from a checkpoint to a COCO JSON on disk.

A config with MODEL.WEIGHTS is applied to a named data set; the model's instances are written as
COCO JSON.
"""

import os

from detectron2.config import CfgNode
from detectron2.evaluation import inference_on_dataset

from bestie.data import build_mapper, build_test_loader, register_dataset
from bestie.data.mappers import mapper_class
from bestie.evaluation import COCOExporter, LabelSummary
from bestie.method import METHODS, predicts
from bestie.training.setup import load_model

__all__ = ["export_pseudo_labels"]


def export_pseudo_labels(
    cfg: CfgNode,
    dataset_name: str,
    output: str | os.PathLike,
    *,
    score_threshold: float = 0.0,
    min_area: int = 1,
    use_tags: bool = True,
    use_clicks: bool = True,
    masks: str = "rle",
) -> LabelSummary | None:
    """Export the instances that a model finds in a data set; to be called in every process.

    Args:
        cfg: config of any model of instances, with MODEL.WEIGHTS.
        dataset_name: a data set; it is registered if need be.
        output: COCO JSON to write.
        score_threshold: labels need this score.
        min_area: labels need this many pixels.
        use_tags: restrict the classes to the image's tags.
        use_clicks: assign pixels to the given clicks, if the model trained on clicks.
        masks: "rle" or "polygons" (holes are cut in).

    Returns:
        What was exported, on the main process; None elsewhere.

    Raises:
        ValueError: weights that do not fit, a data set without the tags or clicks that are asked
            for, or labels that Detectron2 or pycocotools would reject.
    """
    if predicts(cfg) != "instances":
        raise ValueError(
            f"{cfg.MODEL.META_ARCHITECTURE} predicts no instances; export from another model"
        )
    cfg = cfg.clone()
    cfg.defrost()
    # Only for a model that trained on them: others read no points, or those of a classifier.
    use_clicks = use_clicks and "clicks" in mapper_class(cfg).training_needs(cfg)
    for method in METHODS.values():
        for what, key in method.label_keys.items():
            cfg.merge_from_list([key, {"tags": use_tags, "clicks": use_clicks}[what]])
    register_dataset(dataset_name)
    exporter = COCOExporter(
        dataset_name,
        output,
        score_threshold=score_threshold,
        min_area=min_area,
        use_tags=use_tags,
        masks=masks,
        description=f"instances predicted by {cfg.MODEL.META_ARCHITECTURE}",
    )
    loader = build_test_loader(cfg, dataset_name, build_mapper(cfg, is_train=False))
    results = inference_on_dataset(load_model(cfg), loader, exporter)
    return results.get("labels")
