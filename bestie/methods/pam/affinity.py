"""Activation maps spread over pixels whose features are alike, by a random walk.

An activation map is high on the part of an object that tells its class and ends there. The features
of an early stage of the same network are alike on the whole object, and differ beyond its border.
So each pixel takes the mean of the map over all pixels of the image, weighted by the similarity of
their features; repeated, this is a random walk with the similarities as transition probabilities.

The walk, and the power that sharpens its similarities, are those of Ahn & Kwak, "Learning
Pixel-level Semantic Affinity with Image-level Supervision" (CVPR 2018, section 3.3), who train a
network for the similarities. Here they are cosines of features that the classifier has anyway, as
in the pixel correlation module of Wang et al. (SEAM, CVPR 2020, section 3.3), and reach over the
whole image.

Shapes: K tagged classes, D features, (h, w) the feature map, (H, W) the image, N = h x w pixels of
the feature map.
"""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["RandomWalk"]

# Largest number of pixels of the feature map: the walk has the square of it as weights (64 MiB).
MAX_PIXELS = 4096


class RandomWalk:
    """The random walk of one image, for any number of its maps."""

    def __init__(self, features: Tensor, power: float, steps: int):
        """
        Args:
            features: (D, h, w) float; averaged over neighbors where h x w exceeds 4,096.
            power: of the similarities, positive; the higher, the less pixels take from those that
                are only somewhat alike.
            steps: of the walk, 1 or more.
        """
        height, width = features.shape[-2:]
        shrink = (MAX_PIXELS / (height * width)) ** 0.5
        if shrink < 1:
            self._size = (max(1, int(height * shrink)), max(1, int(width * shrink)))
            features = F.adaptive_avg_pool2d(features, self._size)
        else:
            self._size = (height, width)
        self._steps = steps
        unit = F.normalize(features.float().flatten(1), dim=0)
        # A pixel is as similar to itself as can be, so that no row is 0, unless it has no features.
        similarity = (unit.T @ unit).clamp_(0, 1).pow_(power)
        similarity.fill_diagonal_(1.0)
        self._transition = similarity.div_(similarity.sum(dim=1, keepdim=True))

    def __call__(self, maps: Tensor) -> Tensor:
        """The maps after the walk, each with the maximum 1 again.

        Args:
            maps: (K, H, W) float, 0 or more.

        Returns:
            (K, H, W) float in [0, 1]; a map of zeros stays one.
        """
        size = maps.shape[-2:]
        values = F.interpolate(
            maps.unsqueeze(1), self._size, mode="bilinear", antialias=True, align_corners=False
        ).flatten(1)
        for _ in range(self._steps):
            values = values @ self._transition.T
        spread = F.interpolate(
            values.view(-1, 1, *self._size), size, mode="bilinear", align_corners=False
        ).squeeze(1)
        return spread / (spread.amax(dim=(1, 2), keepdim=True) + 1e-5)
