"""Connected components of a class map: the regions that everything else works inside.

Comes in: a semantic map and the classes to look at. Goes out: one component map for all classes
with class, area and centroid of each component. Called by the mapper (weak maps; in the loader's
workers, since the components do not depend on the network), by grouping (predicted maps) and by the
baseline.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Components", "find_components"]

IGNORE = 255


@dataclass(frozen=True)
class Components:
    """K connected components of one image; component k has the value k + 1 in ``map``.

    Attributes:
        map (np.ndarray): (H, W) int32, 0 where there is none.
        classes (np.ndarray): (K,) int64 in [0, C), ascending.
        areas (np.ndarray): (K,) int64, pixels.
        centroids (np.ndarray): (K, 2) int64 (y, x), the mean pixel index truncated to integers.
    """

    map: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    centroids: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)


def find_components(
    semantic_map: np.ndarray, classes: Iterable[int], min_area: int = 50
) -> Components:
    """Find the 8-connected components of (map == class) for each class.

    The cost grows with the number of classes present in the map, not with C.

    Args:
        semantic_map: (H, W) integers: 0 background, class + 1, 255 ignore (which is never a class).
        classes: foreground classes to look at, in [0, 254); repeated ones count once.
        min_area: pixels that a component needs.
    """
    semantic_map = np.ascontiguousarray(semantic_map, dtype=np.uint8)
    component_map = np.zeros(semantic_map.shape, np.int32)
    present = np.bincount(semantic_map.ravel(), minlength=256)
    found_classes, found_areas, found_centroids = [], [], []
    total = 0
    for class_id in sorted(set(int(c) for c in classes)):
        if not 0 <= class_id < IGNORE - 1 or present[class_id + 1] < min_area:
            continue
        mask = (semantic_map == class_id + 1).view(np.uint8)
        _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
        keep = areas >= min_area
        keep[0] = False  # label 0 is everything else
        number = int(keep.sum())
        if number == 0:
            continue
        new_id = np.zeros(len(areas), np.int32)
        new_id[keep] = np.arange(total + 1, total + number + 1)
        component_map += new_id[labels]
        found_classes.append(np.full(number, class_id, np.int64))
        found_areas.append(areas[keep])
        found_centroids.append(centroids[keep][:, ::-1].astype(np.int64))
        total += number
    if total == 0:
        empty = np.zeros(0, np.int64)
        return Components(component_map, empty, empty.copy(), np.zeros((0, 2), np.int64))
    return Components(
        component_map,
        np.concatenate(found_classes),
        np.concatenate(found_areas),
        np.concatenate(found_centroids),
    )
