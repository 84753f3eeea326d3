"""How many detections per image a run needs: from the objects per image that its data shows.

Detectron2's limit is 100 detections per image, and a small detector looks at 100 proposals; in
crowds both cut results without a word. Called by the pipeline's configs and its check.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from detectron2.config import CfgNode

from bestie.data.file_findings import FileFindings, count_trusted
from bestie.data.registration import ground_truth_json
from bestie.evaluation.coco import detection_limit
from bestie.formats import DataError, DatasetFolder
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
    counts, files = [0], FileFindings()
    if source.points is not None:
        counts += _points(source.points, source.ids[source.pointed], score_thresh, files)
    for part, kind in source.truth.items():
        if kind == "json":
            counts += _of_json(source, part, files)
        elif kind == "masks":
            counts += _of_masks(source.root, source.ids[part], files)
    files.save()
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


def _points(
    folder: Path, ids: Sequence[str], score_thresh: float, files: FileFindings
) -> Iterator[int]:
    for image_id in ids:
        try:
            yield count_trusted(files.point_rows(str(folder / f"{image_id}.txt")), score_thresh)
        except DataError:
            continue


def _of_json(source: Source, part: str, files: FileFindings) -> list[int]:
    try:
        coco = files.coco(ground_truth_json(source.root, source.splits[part]))
    except DataError:
        return []
    return [sum(objects.values()) for objects in coco["objects"]]


def _of_masks(root: Path, ids: Sequence[str], files: FileFindings) -> Iterator[int]:
    for image_id in ids[:: max(1, len(ids) // SAMPLE)]:
        try:
            yield len(files.instances(*DatasetFolder(root).mask_files(image_id))[1])
        except DataError:
            continue
