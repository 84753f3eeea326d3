"""What several methods compute on regions of images.

``regions`` holds the types, :class:`Regions` and :class:`PointSet`. ``components`` finds the
connected components of a semantic map (NumPy), ``blobs`` those of a mask (on any device),
``maxima`` local maxima, ``gaussians`` draws points, ``overlap`` compares masks.

Imports nothing else of the package.
"""

from bestie.regions.components import (
    IGNORE,
    Components,
    component_of_points,
    count_points,
    find_components,
    renumber_components,
)
from bestie.regions.regions import PointSet, Regions

__all__ = [
    "IGNORE",
    "Components",
    "PointSet",
    "Regions",
    "component_of_points",
    "count_points",
    "find_components",
    "renumber_components",
]
