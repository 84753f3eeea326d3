"""Semantic knowledge transfer (paper, section 3.2): components and points to accepted instances.

Comes in: the components of a weak semantic map and the points of the image. Goes out: which
components are trusted as instances. Called by the mapper, after augmentation, and by the label
drawings.
"""

import numpy as np

from bestie.regions.components import Components, count_points

__all__ = ["accept_components"]


def accept_components(
    components: Components, points: np.ndarray, point_classes: np.ndarray
) -> np.ndarray:
    """Accept the components that hold exactly one point of their class.

    Args: as for :func:`count_points`.

    Returns:
        (K,) bool.
    """
    return count_points(components, points, point_classes) == 1
