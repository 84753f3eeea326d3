"""Components that hold several points, cut into one piece per point.

Each pixel of such a component goes to the point from which a path inside the component reaches it
most cheaply. A step costs its length, and more where the color changes (a geodesic distance, as in
Bai & Sapiro, "A geodesic framework for fast interactive image and video segmentation and matting",
ICCV 2007), so pieces tend to meet at edges of the image.
"""

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from bestie.regions.components import Components, component_of_points, renumber_components

__all__ = ["split_components"]

# Steps (dy, dx) to the 8 neighbors of a pixel, one of each two opposite ones.
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def split_components(
    components: Components,
    image: np.ndarray,
    points: np.ndarray,
    point_classes: np.ndarray,
    min_area: int = 50,
    edge_cost: float = 0.3,
) -> tuple[Components, np.ndarray]:
    """Cut each component that holds several points of its class into one piece per point.

    Args:
        components: K components of an (H, W) map.
        image: (H, W, 3) uint8, RGB.
        points: (P, 2) float or int (y, x), pixel indices, truncated; those outside the map count
            nowhere, those of one pixel and class count as one.
        point_classes: (P,) int in [0, C).
        min_area: pixels that a piece needs; smaller ones belong to no component. A component all of
            whose pieces are smaller stays whole.
        edge_cost: what a change of color by one unit of 8-bit CIELAB adds to a step, pixels.

    Returns:
        The components with the pieces in place of those that were cut, and which ones are pieces,
        a bool of each.
    """
    count = len(components)
    holder, seeds = _points_on_components(components, points, point_classes)
    several = np.bincount(holder, minlength=count) > 1
    if not several.any():
        return components, np.zeros(count, bool)
    holder, seeds = holder[several[holder]], seeds[several[holder]]
    color = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB).astype(np.float32)
    number = components.map.astype(np.int64) - 1
    cut = np.append(several, False)[number]  # the last entry stands for "none"
    piece = _nearest_seed(number, cut, color * np.float32(edge_cost), seeds)
    # A component none of whose pieces is large enough stays whole.
    is_large = np.bincount(piece, minlength=len(seeds)) >= min_area
    is_divided = np.bincount(holder, is_large, minlength=count) > 0
    number[cut] = np.where(is_divided[holder[piece]], count + piece, number[cut])
    classes = np.concatenate([components.classes, components.classes[holder]])
    is_piece = np.arange(len(classes)) >= count
    found, kept = renumber_components(number, classes, np.where(is_piece, max(1, min_area), 1))
    return found, is_piece[kept]


def _points_on_components(
    components: Components, points: np.ndarray, point_classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) component and (Q,) flat pixel of each point on a component of its class, each once."""
    holder = component_of_points(components.map, components.classes, points, point_classes)
    on = holder >= 0
    pixels = np.asarray(points).reshape(-1, 2)[on].astype(np.int64) @ (components.map.shape[1], 1)
    holder, seeds = np.unique(np.stack([holder[on], pixels]), axis=1)
    return holder, seeds


def _nearest_seed(
    number: np.ndarray, cut: np.ndarray, color: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    """Seed of each pixel of the components that are cut, in the order of the pixels.

    Args:
        number: (H, W) component of each pixel; no path leads from one into another.
        cut: (H, W) bool, pixels of the components that are cut.
        color: (H, W, 3) float32, in units in which a change costs as much as a step of one pixel.
        seeds: (S,) flat pixels; each of these components has one or more.
    """
    height, width = cut.shape
    count = int(cut.sum())
    node = np.full((height, width), -1, np.int32)
    node[cut] = np.arange(count)
    one, other, cost = [], [], []
    for dy, dx in STEPS:
        here = np.s_[: height - dy, max(0, -dx) : width - max(0, dx)]
        there = np.s_[dy:, max(0, dx) : width + min(0, dx)]
        both = cut[here] & cut[there] & (number[here] == number[there])
        change = np.linalg.norm(color[here][both] - color[there][both], axis=1)
        one.append(node[here][both])
        other.append(node[there][both])
        cost.append(np.hypot(dy, dx) + change)
    edges = (np.concatenate(cost), (np.concatenate(one), np.concatenate(other)))
    graph = coo_array(edges, shape=(count, count)).tocsr()
    start = node.ravel()[seeds]
    *_, source = dijkstra(
        graph, directed=False, indices=start, min_only=True, return_predecessors=True
    )
    seed_of_node = np.zeros(count, np.int64)
    seed_of_node[start] = np.arange(len(start))
    return seed_of_node[source]
