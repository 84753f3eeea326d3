"""True instances and their clicks and COCO annotations, for the writers of data sets.

Shapes: (H, W) the image, N instances.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from bestie.formats.rle import encode_mask
from bestie.formats.text import Points

__all__ = [
    "click_pixels",
    "clicks_of_instances",
    "coco_annotations",
    "coco_categories",
    "make_clicks",
    "mask_annotation",
    "mask_click",
    "match_clicks",
]


def mask_click(mask: np.ndarray) -> tuple[int, int]:
    """The click (y, x) that stands for an annotator's: the mask's pixel nearest to its centroid.

    Args:
        mask: (H, W) bool, not empty.
    """
    rows, columns = np.nonzero(mask)
    distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    nearest = int(distance.argmin())
    return int(rows[nearest]), int(columns[nearest])


def clicks_of_instances(instance_map: np.ndarray, classes: np.ndarray) -> Points:
    """One click per instance, in the order of the instances.

    Args:
        instance_map: (H, W) integers, 0 none, i + 1 = instance i.
        classes: (N,) int64.
    """
    clicks = [mask_click(instance_map == i + 1) for i in range(len(classes))]
    return make_clicks(clicks, classes)


def click_pixels(clicks: Points, size: Sequence[int]) -> np.ndarray:
    """(P, 2) int64 (y, x): the pixel of an image of this height and width nearest to each click."""
    return np.clip(np.rint(clicks.yx).astype(np.int64), 0, np.array(size) - 1)


def match_clicks(clicks: Points, masks: Sequence[np.ndarray], classes: Sequence[int]) -> list[int]:
    """The instance that each click means: one of its class whose mask contains it.

    An instance has one click. Where masks overlap, the pairs of click and centroid that are nearest
    to each other come first.

    Args:
        clicks: P clicks of the image.
        masks: N masks, (H, W) bool, none empty.
        classes: N class ids.

    Returns:
        Instance of each click in [0, N); -1 where there is none.
    """
    pairs = []
    for instance, (mask, class_id) in enumerate(zip(masks, classes, strict=True)):
        rows, columns = click_pixels(clicks, mask.shape).T
        inside = np.flatnonzero(mask[rows, columns] & (clicks.classes == class_id)).tolist()
        if not inside:
            continue
        center = np.argwhere(mask).mean(axis=0)
        for click in inside:
            pairs.append((float(np.linalg.norm(clicks.yx[click] - center)), click, instance))
    instance_of: dict[int, int] = {}
    for _, click, instance in sorted(pairs):
        if click not in instance_of and instance not in instance_of.values():
            instance_of[click] = instance
    return [instance_of.get(click, -1) for click in range(len(clicks))]


def make_clicks(yx: Sequence[tuple[float, float]], classes: Sequence[int] | np.ndarray) -> Points:
    """Points of confidence 1 at (y, x)."""
    return Points(
        yx=np.array(yx, dtype=np.float64).reshape(-1, 2),
        classes=np.array(classes, dtype=np.int64),
        scores=np.ones(len(classes), np.float32),
    )


def coco_categories(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """COCO categories 1..C."""
    return [{"id": i, "name": name} for i, name in enumerate(class_names, 1)]


def coco_annotations(
    instance_map: np.ndarray, classes: np.ndarray, image_id: int, first_id: int
) -> list[dict[str, Any]]:
    """COCO annotations (RLE) of an image's instances.

    Args:
        instance_map: (H, W) integers, 0 none, i + 1 = instance i.
        classes: (N,) int64.
        image_id: of the COCO json.
        first_id: annotation id of the first instance; the others count up.
    """
    annotations = []
    for i, class_id in enumerate(classes):
        mask = instance_map == i + 1
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left = int(rows[0]), int(columns[0])
        annotation = {
            "id": first_id + i,
            "image_id": image_id,
            "category_id": int(class_id) + 1,
            "object_id": i + 1,
            "segmentation": encode_mask(mask),
            "area": int(mask.sum()),
            "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
            "iscrowd": 0,
        }
        annotations.append(annotation)
    return annotations


def mask_annotation(
    rle: dict[str, Any], class_id: int, image_id: int, annotation_id: int
) -> dict[str, Any]:
    """The COCO annotation of a mask that is not empty, given as run-length code."""
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": class_id + 1,
        "segmentation": rle,
        "area": int(coco_mask.area(rle)),
        "bbox": [int(side) for side in coco_mask.toBbox(rle)],
        "iscrowd": 0,
    }
