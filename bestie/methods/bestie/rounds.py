"""Labels of one training as the pseudo labels of another one: points and maps that keep them apart.

Semantic knowledge transfer takes a component of the weak map with exactly one point as an instance.
So labels become pseudo labels if instances of one class that touch are separated by ignored pixels,
and each has one point. Pure: arrays in, arrays out.
"""

from math import ceil

import numpy as np

from bestie.formats.instances import mask_click
from bestie.regions.components import IGNORE, find_components

__all__ = ["gap_for", "labels_as_components"]


def gap_for(side: int, smallest: float) -> int:
    """Pixels on either side of a border that are ignored, so that training sees the gap, too.

    Training resizes maps and keeps the value of the nearest pixel: of a gap as wide as the factor
    by which it shrinks them, a pixel is left everywhere.

    Args:
        side: longer side of the map, pixels.
        smallest: longer side to which training shrinks it at most, pixels.
    """
    return max(1, ceil(side / smallest / 2))


def labels_as_components(
    semantic_map: np.ndarray, instance_map: np.ndarray, classes: np.ndarray, gap: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A weak map whose components are the instances, and a point in each.

    Pixels of the map outside of all instances stay; those of the class of an instance beside them
    are separated from it, too.

    Args:
        semantic_map: (H, W) uint8, 0 background, class + 1, 255 ignore.
        instance_map: (H, W) integers, 0 none, i + 1 instance i.
        classes: (N,) int64 in [0, C).
        gap: pixels on either side of a border between regions of one class that become ignored.

    Returns:
        The map (H, W) uint8, points (M, 2) float64 (y, x), pixel indices, and their classes (M,)
        int64: one for each instance that has pixels left, in its largest part.
    """
    values = np.concatenate([[0], classes + 1]).astype(np.uint8)
    merged = np.where(instance_map > 0, values[instance_map], semantic_map)
    merged[_borders(merged, instance_map, gap)] = IGNORE
    points, kept = [], []
    for index, class_id in enumerate(classes.tolist()):
        own = (instance_map == index + 1) & (merged == class_id + 1)
        if own.any():
            parts = find_components(own, [0], min_area=1)
            points.append(mask_click(parts.map == np.argmax(parts.areas) + 1))
            kept.append(class_id)
    yx = np.array(points, dtype=np.float64).reshape(-1, 2)
    return merged, yx, np.array(kept, dtype=np.int64)


def _borders(merged: np.ndarray, instance_map: np.ndarray, gap: int) -> np.ndarray:
    """(H, W) bool: pixels that have another region of their class within ``gap`` pixels."""
    height, width = merged.shape
    found = np.zeros((height, width), bool)
    for dy in range(gap + 1):
        for dx in range(-gap, gap + 1):
            if (dy, dx) <= (0, 0):
                continue
            here = np.s_[: height - dy, max(0, -dx) : width - max(0, dx)]
            there = np.s_[dy:, max(0, dx) : width - max(0, -dx)]
            touch = (merged[here] == merged[there]) & (instance_map[here] != instance_map[there])
            touch &= merged[here] != IGNORE
            found[here] |= touch & (merged[here] > 0)
            found[there] |= touch & (merged[there] > 0)
    return found
