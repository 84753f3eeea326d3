"""Instance cues: local maxima of the classifier's activation maps.

From the activation maps of an image and its mirror image to points with class and confidence
(paper, section 3.2); ``cues`` writes them for a data set.

Shapes: K classes, (H, W) the maps, P points.
"""

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
    activation_maps: Tensor, kernel: int = 15, top_k: int = 25, threshold: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the cues: local maxima of the maps after a 3x3 mean (zeros around the image).

    Args:
        activation_maps: (K, H, W) float in [0, 1], one map per class.
        kernel: side of the window that a point is the maximum of, pixels, odd. Pixels that share
            the maximum are all points.
        top_k: at most this many points per class, the strongest.
        threshold: lowest confidence, the value of the smoothed map; a point is above 0 in any case.

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
    classes, y, x = position // (height * width), position // width % height, position % width
    scores = smoothed.reshape(-1)[position]
    order = scores.argsort(descending=True, stable=True)
    order = order[classes[order].argsort(stable=True)]
    classes, scores, points = classes[order], scores[order], torch.stack([y, x], 1)[order]
    first = torch.searchsorted(classes, classes)  # where the points of each one's class begin
    kept = torch.arange(len(classes), device=classes.device) - first < top_k
    return points[kept], classes[kept], scores[kept]
