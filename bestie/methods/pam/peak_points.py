"""Instance cues: local maxima of the classifier's activation maps.

From the activation maps of an image and its mirror image to points with class and confidence
(paper, section 3.2); ``cues`` writes them for a data set.

Shapes: K classes, (H, W) the maps, P points.
"""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bestie.regions.maxima import beat_neighbors, beat_window

__all__ = ["average_mirrored", "find_peak_points"]


def average_mirrored(maps: Tensor, mirrored: Tensor) -> Tensor:
    """Mean of the maps of an image and those of its mirror image, the latter mirrored back.

    Args:
        maps: (..., H, W).
        mirrored: (..., H, W), as computed on the mirror image.
    """
    return (maps + mirrored.flip(-1)) / 2


def find_peak_points(
    activation_maps: Tensor,
    kernel: int = 15,
    top_k: int = 25,
    threshold: float = 0.1,
    *,
    merge_touching: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the cues: local maxima of the maps after a 3x3 mean (zeros around the image).

    Args:
        activation_maps: (K, H, W) float in [0, 1], one map per class.
        kernel: side of the window that a point is the maximum of, pixels, odd. Pixels that share
            the maximum are all points.
        top_k: at most this many points per class, the strongest.
        threshold: lowest confidence, the value of the smoothed map; a point is above 0 in any case.
        merge_touching: of points that touch each other (8-connected), and so have the same
            confidence, only the one nearest to their middle is given. Maps that were enlarged are
            flat towards the border of the image, so that a peak there is several points.

    Returns:
        points (P, 2) int64 (y, x); classes (P,) int64, indices of the maps; scores (P,) float, the
        confidence. By class, then by falling confidence.

    Raises:
        ValueError: ``kernel`` is not an odd positive number.
    """
    _, height, width = activation_maps.shape
    smoothed = F.avg_pool2d(activation_maps.unsqueeze(1), 3, stride=1, padding=1).squeeze(1)
    candidates = (smoothed >= threshold) & (smoothed > 0)
    candidates = beat_neighbors(smoothed, candidates, kernel=kernel)
    position = candidates.view(-1).nonzero().squeeze(1)
    position = position[beat_window(position, smoothed, kernel=kernel)]
    if merge_touching:
        position = _one_of_touching(position, smoothed.shape)
    classes, y, x = position // (height * width), position // width % height, position % width
    scores = smoothed.reshape(-1)[position]
    order = scores.argsort(descending=True, stable=True)
    order = order[classes[order].argsort(stable=True)]
    classes, scores, points = classes[order], scores[order], torch.stack([y, x], 1)[order]
    first = torch.searchsorted(classes, classes)  # where the points of each one's class begin
    kept = torch.arange(len(classes), device=classes.device) - first < top_k
    return points[kept], classes[kept], scores[kept]


def _one_of_touching(position: Tensor, shape: torch.Size) -> Tensor:
    """Of each 8-connected group of pixels the one nearest to its centroid; the first of equals.

    Args:
        position: (N,) int64 flat indices into maps of ``shape``, rising.
        shape: (K, H, W).
    """
    flat = position.cpu().numpy()
    mask = np.zeros(shape, np.uint8)
    mask.reshape(-1)[flat] = 1
    chosen = [flat[:0]]
    for index, map_ in enumerate(mask):
        if not map_.any():
            continue
        _, labels, _, centroids = cv2.connectedComponentsWithStats(map_, connectivity=8)
        y, x = np.nonzero(map_)
        group = labels[y, x]
        distance = np.hypot(x - centroids[group, 0], y - centroids[group, 1])
        order = np.lexsort((distance, group))  # stable: the first of equals stays first
        _, first = np.unique(group[order], return_index=True)
        kept = order[first]
        chosen.append(index * shape[1] * shape[2] + y[kept] * shape[2] + x[kept])
    return torch.from_numpy(np.sort(np.concatenate(chosen))).to(position.device)
