"""How many detections per image a run needs: from the objects per image that its data shows.

Detectron2's limit is 100 detections per image, and a small detector looks at 100 proposals; in
crowds both cut results without a word. Called by the pipeline's configs and its check.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from detectron2.config import CfgNode

from bestie.data.registration import ground_truth_json
from bestie.evaluation.coco import detection_limit
from bestie.evaluation.masks import annotations_by_image
from bestie.formats import DataError, DatasetFolder, read_coco, read_instances, read_points
from bestie.pipeline.source import Source

__all__ = ["LIMIT", "limit_settings", "most_objects", "too_small_limits"]

# Proposals per detection: several proposals fall on each object, and some on none.
PROPOSALS = 2
# Images whose masks are decoded to count their objects; points and json are read completely.
SAMPLE = 300
LIMIT = "TEST.DETECTIONS_PER_IMAGE"


def most_objects(source: Source, score_thresh: float) -> int:
    """Objects of the fullest image, as far as clicks, supplied cues and ground truth show them.

    Files with mistakes are skipped: the check stage reports them.

    Args:
        source: the data of a run.
        score_thresh: confidence above which points train.
    """
    counts = [0]
    if source.points is not None:
        counts += _points(source.points, source.ids["train"], score_thresh)
    for part, kind in source.truth.items():
        if kind == "json":
            counts += _of_json(source, part)
        elif kind == "masks":
            counts += _of_masks(source.root, source.ids[part])
    return max(counts)


def limit_settings(cfg: CfgNode, most: int) -> dict[str, str]:
    """KEY -> VALUE that let a training's model give, and its evaluation count, enough detections.

    Args:
        cfg: of the training, without these settings.
        most: objects of the fullest image; 0 where the user has set the limit of detections.

    Returns:
        Only what has to be raised; empty where Detectron2's limits are enough.
    """
    wanted = {}
    limit = max(cfg.TEST.DETECTIONS_PER_IMAGE, detection_limit(most) if most else 0)
    if limit > cfg.TEST.DETECTIONS_PER_IMAGE:
        wanted[LIMIT] = limit
    if cfg.MODEL.META_ARCHITECTURE == "GeneralizedRCNN":
        for key in ("PRE_NMS_TOPK_TEST", "POST_NMS_TOPK_TEST"):
            if cfg.MODEL.RPN[key] < limit:
                wanted[f"MODEL.RPN.{key}"] = PROPOSALS * limit
    return {key: str(value) for key, value in wanted.items()}


def too_small_limits(cfg: CfgNode, most: int) -> list[str]:
    """What to say about a limit of a training that is below the objects of the fullest image."""
    limit = cfg.TEST.DETECTIONS_PER_IMAGE
    if limit >= most:
        return []
    return [
        f"{LIMIT} {limit} is too small: an image holds {most} objects; the others are neither "
        f"found nor counted. {LIMIT} {detection_limit(most)} would do."
    ]


def _points(folder: Path, ids: Sequence[str], score_thresh: float) -> Iterator[int]:
    for image_id in ids:
        try:
            yield int((read_points(folder / f"{image_id}.txt").scores > score_thresh).sum())
        except DataError:
            continue


def _of_json(source: Source, part: str) -> list[int]:
    try:
        coco = read_coco(ground_truth_json(source.root, source.splits[part]))
    except DataError:
        return []
    return [len(objects) for objects in annotations_by_image(coco).values()]


def _of_masks(root: Path, ids: Sequence[str]) -> Iterator[int]:
    for image_id in ids[:: max(1, len(ids) // SAMPLE)]:
        try:
            yield len(read_instances(*DatasetFolder(root).mask_files(image_id))[2])
        except DataError:
            continue
