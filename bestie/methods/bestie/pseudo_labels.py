"""Semantic knowledge transfer (paper, section 3.2): components and points to accepted instances.

Decides which components of a weak semantic map are trusted as instances, given the points of the
image. Runs after augmentation, in the mapper.
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
