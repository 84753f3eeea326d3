"""Export of labels: from a checkpoint to a COCO JSON on disk.

A config with MODEL.WEIGHTS is applied to a named data set; the model's instances are written as
COCO JSON.
"""

import os

from detectron2.config import CfgNode
from detectron2.evaluation import inference_on_dataset

from bestie.data import build_mapper, build_test_loader, register_dataset
from bestie.evaluation import COCOExporter, LabelSummary
from bestie.training.setup import load_model

__all__ = ["USE_CLICKS", "USE_TAGS", "export_pseudo_labels"]

# Keys that the arguments of the same names set.
USE_TAGS, USE_CLICKS = "MODEL.BESTIE.TEST.USE_TAGS", "MODEL.BESTIE.TEST.USE_CLICKS"


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
        cfg: config of BESTIE, Mask R-CNN or any Detectron2 model of instances, with MODEL.WEIGHTS.
        dataset_name: a data set; it is registered if need be.
        output: COCO JSON to write.
        score_threshold: labels need this score.
        min_area: labels need this many pixels.
        use_tags: restrict the classes to the image's tags.
        use_clicks: let BESTIE assign pixels to the given clicks (MODEL.BESTIE.SUPERVISION clicks
            only).
        masks: "rle" or "polygons" (holes are cut in).

    Returns:
        What was exported, on the main process; None elsewhere.

    Raises:
        ValueError: weights that do not fit, a data set without the tags or clicks that are asked
            for, or labels that Detectron2 or pycocotools would reject.
    """
    if cfg.MODEL.META_ARCHITECTURE == "PAMClassifier":
        raise ValueError("the PAM classifier predicts no instances; export from another model")
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.BESTIE.TEST.USE_TAGS = use_tags
    cfg.MODEL.BESTIE.TEST.USE_CLICKS = use_clicks and cfg.MODEL.BESTIE.SUPERVISION == "clicks"
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
