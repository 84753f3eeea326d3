"""Semantic knowledge transfer (paper, section 3.2): components and points to accepted instances.

Comes in: the components of a weak semantic map and the points of the image. Goes out: which
components are trusted as instances. Called by the mapper, after augmentation, and by the label
drawings.
"""

import numpy as np

from bestie.regions.components import Components

__all__ = ["accept_components", "count_points"]


def count_points(
    components: Components, points: np.ndarray, point_classes: np.ndarray
) -> np.ndarray:
    """Number of points of its own class that lie on each component.

    Args:
        components: K components of an (H, W) map.
        points: (P, 2) float or int (y, x), pixel indices, truncated; those outside the map count
            nowhere.
        point_classes: (P,) int in [0, C). Repeated points count repeatedly.

    Returns:
        (K,) int64.
    """
    height, width = components.map.shape
    yx = np.asarray(points).reshape(-1, 2).astype(np.int64)
    point_classes = np.asarray(point_classes, dtype=np.int64).reshape(-1)
    inside = (yx >= 0).all(1) & (yx[:, 0] < height) & (yx[:, 1] < width)
    yx, point_classes = yx[inside], point_classes[inside]
    hit = components.map[yx[:, 0], yx[:, 1]].astype(np.int64) - 1
    on_component = hit >= 0
    hit, point_classes = hit[on_component], point_classes[on_component]
    hit = hit[components.classes[hit] == point_classes]
    return np.bincount(hit, minlength=len(components))


def accept_components(
    components: Components, points: np.ndarray, point_classes: np.ndarray
) -> np.ndarray:
    """Accept the components that hold exactly one point of their class.

    Args: as for :func:`count_points`.

    Returns:
        (K,) bool.
    """
    return count_points(components, points, point_classes) == 1
