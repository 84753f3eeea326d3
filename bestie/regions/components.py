"""Connected components of a class map: the regions that everything else works inside.

One component map holds the components of all classes asked for, with class, area and centroid of
each. In NumPy, since the loader's workers find those of the weak maps: they do not depend on the
network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = [
    "IGNORE",
    "Components",
    "component_of_points",
    "count_points",
    "find_components",
    "renumber_components",
]

# Value of the pixels of a semantic map that are neither background nor a class.
IGNORE = 255


@dataclass(frozen=True)
class Components:
    """K connected components of one image; component k has the value k + 1 in ``map``.

    Attributes:
        map (np.ndarray): (H, W) int32, 0 outside all components.
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
    """Find the 8-connected components of (map == class) for each class, all in one pass.

    The map is cut into runs (stretches of one value within a row) and the runs are joined, so the
    cost grows with the number of runs, not with the number of classes.

    Args:
        semantic_map: (H, W) integers: 0 background, class + 1, 255 ignore (never a class).
        classes: foreground classes to find, in [0, 254); repeated ones count once.
        min_area: pixels that a component needs.
    """
    semantic_map = np.ascontiguousarray(semantic_map, dtype=np.uint8)
    height, width = semantic_map.shape
    kept_value = np.zeros(256, np.uint8)  # value -> itself if its class is asked for, else 0
    for class_id in classes:
        if 0 <= class_id < IGNORE - 1:
            kept_value[int(class_id) + 1] = int(class_id) + 1
    values = kept_value[semantic_map]
    starts_here = np.ones((height, width), bool)
    np.not_equal(values[:, 1:], values[:, :-1], out=starts_here[:, 1:])
    start = np.flatnonzero(starts_here)
    length = np.diff(start, append=height * width)
    foreground = np.flatnonzero(values.ravel()[start])
    value = values.ravel()[start[foreground]].astype(np.int64)
    row, first = np.divmod(start[foreground], max(width, 1))
    size = length[foreground]
    number, label = _join_runs(row, first, size, value, width)

    areas = np.bincount(label, size, number).astype(np.int64)
    sum_y = np.bincount(label, size * row, number).astype(np.int64)
    twice_sum_x = np.bincount(label, size * (2 * first + size - 1), number).astype(np.int64)
    component_classes = np.zeros(number, np.int64)
    component_classes[label] = value - 1
    kept = np.flatnonzero(areas >= min_area)
    kept = kept[np.argsort(component_classes[kept], kind="stable")]
    new_id = np.zeros(number, np.int32)
    new_id[kept] = np.arange(1, len(kept) + 1)
    run_id = np.zeros(len(start), np.int32)
    run_id[foreground] = new_id[label]
    return Components(
        np.repeat(run_id, length).reshape(height, width),
        component_classes[kept],
        areas[kept],
        np.stack([sum_y[kept] // areas[kept], twice_sum_x[kept] // (2 * areas[kept])], axis=1),
    )


def renumber_components(
    numbers: np.ndarray, classes: np.ndarray, min_areas: np.ndarray | int = 1
) -> tuple[Components, np.ndarray]:
    """Components from the regions of a map, whether or not they are connected.

    Args:
        numbers: (H, W) integers, -1 none, r a pixel of region r.
        classes: (R,) int64 of the regions, in [0, C).
        min_areas: pixels that each region needs, (R,) or one number of 1 or more.

    Returns:
        The K components, and which region each of them was, (K,) int64.
    """
    y, x = (numbers >= 0).nonzero()
    of_pixel = numbers[y, x]
    areas = np.bincount(of_pixel, minlength=len(classes))
    kept = np.flatnonzero(areas >= min_areas)
    kept = kept[np.argsort(classes[kept], kind="stable")]
    new = np.zeros(len(classes) + 1, np.int32)  # the last entry stands for "none"
    new[kept] = np.arange(1, len(kept) + 1)
    sums = np.stack([np.bincount(of_pixel, side, len(classes)) for side in (y, x)], axis=1)
    centroids = sums[kept].astype(np.int64) // areas[kept, None]
    found = Components(new[numbers], classes[kept], areas[kept].astype(np.int64), centroids)
    return found, kept


def component_of_points(
    component_map: np.ndarray,
    component_classes: np.ndarray,
    points: np.ndarray,
    point_classes: np.ndarray,
) -> np.ndarray:
    """Which component of its class each point lies on.

    Args:
        component_map: (H, W) integers, 0 none, k + 1 component k.
        component_classes: (K,) int64 in [0, C).
        points: (P, 2) float or int (y, x), pixel indices, truncated; those outside the map lie on
            nothing.
        point_classes: (P,) int in [0, C).

    Returns:
        (P,) int64 in [0, K), -1 for none.
    """
    height, width = component_map.shape
    yx = np.asarray(points).reshape(-1, 2).astype(np.int64)
    point_classes = np.asarray(point_classes, dtype=np.int64).reshape(-1)
    inside = (yx >= 0).all(1) & (yx[:, 0] < height) & (yx[:, 1] < width)
    found = np.full(len(yx), -1)
    found[inside] = component_map[yx[inside, 0], yx[inside, 1]].astype(np.int64) - 1
    class_of = np.append(component_classes, -1)  # the last entry stands for "none"
    found[class_of[found] != point_classes] = -1
    return found


def count_points(
    components: Components, points: np.ndarray, point_classes: np.ndarray
) -> np.ndarray:
    """Number of points on each component that have its class.

    Args:
        components: K components of an (H, W) map.
        points: (P, 2) float or int (y, x), pixel indices, truncated; those outside the map count
            nowhere.
        point_classes: (P,) int in [0, C). Repeated points count repeatedly.

    Returns:
        (K,) int64.
    """
    found = component_of_points(components.map, components.classes, points, point_classes)
    return np.bincount(found[found >= 0], minlength=len(components))


def _join_runs(
    row: np.ndarray, first: np.ndarray, size: np.ndarray, value: np.ndarray, width: int
) -> tuple[int, np.ndarray]:
    """Join the runs that touch, diagonally too, a run of the same value in the next row.

    Args:
        row, first, size, value: (N,) int64 of each run, in row-major order.
        width: of the map.

    Returns:
        Number of components and (N,) component of each run.
    """
    # One number per position, with a gap of two between rows: no run reaches into another row.
    position = row * (width + 2) + first + 1
    next_row = position + width + 2
    begin = np.searchsorted(position + size - 1, next_row - 1, side="left")
    end = np.searchsorted(position, next_row + size, side="right")
    count = np.maximum(end - begin, 0)
    upper = np.repeat(np.arange(len(row)), count)
    lower = np.arange(count.sum()) + np.repeat(begin - (np.cumsum(count) - count), count)
    linked = value[upper] == value[lower]
    links = coo_array(
        (np.ones(int(linked.sum()), bool), (upper[linked], lower[linked])), shape=(len(row),) * 2
    )
    return connected_components(links, directed=False)
