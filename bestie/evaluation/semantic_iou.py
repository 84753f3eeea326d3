"""Mean IoU of semantic maps.

Compares maps (0 background, class + 1, 255 ignore) with the ground truth of a data set: confusion
matrices, and IoU per class.
"""

import numpy as np
from detectron2.data import DatasetCatalog

from bestie.evaluation.ground_truth import GroundTruth
from bestie.formats import decode_mask, read_semantic_map
from bestie.regions import IGNORE

__all__ = ["SemanticTruth", "class_iou", "count_confusions"]


def count_confusions(truth: np.ndarray, semantic_map: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by true and given class; pixels that either map ignores do not count.

    Args:
        truth: (H, W) uint8.
        semantic_map: (H, W) uint8.
        num_classes: C.

    Returns:
        (C+1, C+1) int64, rows true, columns given; background first. They add up over images.

    Raises:
        ValueError: the maps differ in size.
    """
    if truth.shape != semantic_map.shape:
        raise ValueError(
            f"a semantic map has {semantic_map.shape} pixels (height, width), its ground truth "
            f"{truth.shape}"
        )
    size = num_classes + 1
    counted = (truth != IGNORE) & (semantic_map != IGNORE)
    pairs = truth[counted].astype(np.int64) * size + semantic_map[counted]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """(C+1,) intersection over union of background and classes; NaN for those that do not occur."""
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    occurs = confusion.sum(axis=1) > 0
    return np.where(occurs, hits / np.maximum(union, 1), np.nan)


class SemanticTruth:
    """True semantic maps of a data set, read when asked for.

    From SegmentationClass files where every image has them, else the objects of its COCO JSON.
    """

    def __init__(self, dataset_name: str):
        """
        Args:
            dataset_name: a registered data set.

        Raises:
            ValueError: it has neither.
        """
        self._records = {r["image_id"]: r for r in DatasetCatalog.get(dataset_name)}
        all_files = all("class_file" in record for record in self._records.values())
        self._objects = None if all_files else GroundTruth(dataset_name)

    def read(self, image_id: int) -> np.ndarray:
        """(H, W) uint8: 0 background, class + 1, 255 ignore."""
        record = self._records[image_id]
        if self._objects is None:
            return read_semantic_map(record["class_file"])
        size = (record["height"], record["width"])
        semantic_map = np.zeros(size, np.uint8)
        objects = self._objects.objects(image_id)
        for rle, class_id in zip(objects.rles, objects.classes, strict=True):
            semantic_map[decode_mask(rle, *size)] = class_id + 1
        return semantic_map
