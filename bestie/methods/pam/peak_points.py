"""Instance cues: local maxima of the classifier's activation maps.

Step 2 of the pipeline (paper, section 3.2). Activation maps of an image and its mirror image give
points with class and confidence.

Shapes: K classes, (H, W) the maps, P points.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

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
        threshold: lowest confidence, that is value of the smoothed map; where it is 0 there is no
            point.

    Returns:
        points (P, 2) int64 (y, x); classes (P,) int64, indices of the maps; scores (P,) float, the
        confidence. By class, then by falling confidence.
    """
    assert kernel % 2 == 1
    smoothed = F.avg_pool2d(activation_maps.unsqueeze(1), 3, stride=1, padding=1)
    # The maximum of a square is that of its rows' maxima: 2 x kernel comparisons, not kernel^2.
    highest = F.max_pool2d(smoothed, (1, kernel), stride=1, padding=(0, kernel // 2))
    highest = F.max_pool2d(highest, (kernel, 1), stride=1, padding=(kernel // 2, 0)).squeeze(1)
    smoothed = smoothed.squeeze(1)
    found = (smoothed == highest) & (smoothed >= threshold) & (smoothed > 0)
    classes, y, x = found.nonzero(as_tuple=True)
    scores = smoothed[classes, y, x]
    order = scores.argsort(descending=True, stable=True)
    order = order[classes[order].argsort(stable=True)]
    classes, scores, points = classes[order], scores[order], torch.stack([y, x], 1)[order]
    first = torch.searchsorted(classes, classes)  # where the points of each one's class begin
    kept = torch.arange(len(classes), device=classes.device) - first < top_k
    return points[kept], classes[kept], scores[kept]
