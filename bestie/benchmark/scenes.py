"""Simulated network outputs and their weak labels, light, medium and dense.

A density, sizes and a seed give the mapper's dicts and what a trained network would predict for
them.

Objects are ellipses of a few classes per image; neighbors of one class touch, as in crowds. The
noise of maps and outputs is drawn at a quarter of the resolution and enlarged, as the network's
outputs are.

Shapes: B images, C classes, (H, W) the image.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bestie.methods.bestie.batch_labels import BatchLabels, collate_labels, component_tensors
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.regions.components import find_components

__all__ = ["DENSITIES", "Scenes", "simulate", "weak_labels"]

# Instances per image, from .. to, and the share of the image that they cover together.
DENSITIES = {"light": (1, 2, 0.25), "medium": (5, 10, 0.4), "dense": (14, 42, 0.55)}
SIGMA = 6.0


@dataclass(frozen=True)
class Scenes:
    """A batch.

    Attributes:
        samples (list[dict]): what ``BESTIEMapper`` gives in training.
        logits (Tensor): (B, C + 1, H, W) float32.
        center (Tensor): (B, C, H, W) float32.
        offset (Tensor): (B, 2, H, W) float32 (dy, dx), pixels.
        instances (int): objects in the batch.
    """

    samples: list[dict]
    logits: Tensor
    center: Tensor
    offset: Tensor
    instances: int

    def labels(self, device: torch.device) -> BatchLabels:
        """The labels as the model takes them."""
        return collate_labels(self.samples, device)

    def to(self, device: torch.device) -> "Scenes":
        """The outputs moved to a device; samples stay on the CPU, as the loader gives them."""
        return Scenes(
            self.samples,
            self.logits.to(device),
            self.center.to(device),
            self.offset.to(device),
            self.instances,
        )


def simulate(
    count: tuple[int, int],
    coverage: float,
    size: tuple[int, int],
    batch: int,
    classes: int,
    seed: int,
) -> Scenes:
    """Draw a batch.

    Args:
        count: fewest and most instances per image.
        coverage: share of the image that they cover, but for what overlaps.
        size: (H, W).
        batch: B.
        classes: C.
        seed: the same arguments give the same batch; other classes give the same objects.
    """
    rng = np.random.default_rng((seed, batch, *count))
    images = [_simulate_image(one, count, coverage, size, classes) for one in rng.spawn(batch)]
    samples, logits, center, offset, numbers = zip(*images, strict=True)
    return Scenes(
        list(samples), torch.stack(logits), torch.stack(center), torch.stack(offset), sum(numbers)
    )


def weak_labels(semantic_map: np.ndarray, points: np.ndarray, point_classes: np.ndarray) -> dict:
    """Components of a weak map and those that hold one point: the label part of the mapper."""
    components = find_components(semantic_map, np.unique(point_classes))
    accepted = accept_components(components, points, point_classes)
    confidence = torch.from_numpy(accepted.astype(np.float32))
    return component_tensors(components) | {"component_confidence": confidence}


def _simulate_image(
    rng: np.random.Generator,
    count: tuple[int, int],
    coverage: float,
    size: tuple[int, int],
    classes: int,
) -> tuple[dict, Tensor, Tensor, Tensor, int]:
    height, width = size
    number = int(rng.integers(count[0], count[1] + 1))
    present = rng.permutation(min(classes, 20))[: int(rng.integers(1, 4))]
    radius = np.sqrt(coverage * height * width / (number * np.pi))
    instance_map, positions, center_classes = np.full(size, -1), [], []
    yy, xx = np.mgrid[:height, :width]
    for index in range(number):
        y, x = rng.uniform(0.05, 0.95, 2) * size
        ry, rx = radius * rng.uniform(0.6, 1.4, 2)
        instance_map[((yy - y) / ry) ** 2 + ((xx - x) / rx) ** 2 <= 1] = index
        positions.append((y, x))
        center_classes.append(int(rng.choice(present)))
    centers = np.array(positions)
    class_table = np.array([*center_classes, -1])  # the last entry is found by index -1
    semantic_map = (class_table[instance_map] + 1).astype(np.uint8)
    weak_map = semantic_map.copy()
    weak_map[_smooth_noise(rng, 1, size)[0] > 1.1] = 0  # the weak map misses parts
    points = centers.astype(np.int64)
    visible = np.isin(np.arange(number), instance_map)
    sample = {
        "semantic_map": torch.from_numpy(weak_map),
        "image_labels": torch.zeros(classes, dtype=torch.bool),
        "image": torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8)),
        "points": torch.from_numpy(points[visible]).float(),
        "point_classes": torch.from_numpy(np.array(center_classes)[visible]),
    }
    sample["image_labels"][sample["point_classes"]] = True
    sample |= weak_labels(weak_map, points[visible], sample["point_classes"].numpy())
    center, offset = _center_and_offset(rng, instance_map, centers, center_classes, classes)
    logits = torch.from_numpy(_smooth_noise(rng, classes + 1, size))
    logits.scatter_add_(
        0, torch.from_numpy(semantic_map).long().unsqueeze(0), torch.full((1, *size), 5.0)
    )
    return sample, logits, center, offset, number


def _center_and_offset(
    rng: np.random.Generator,
    instance_map: np.ndarray,
    centers: np.ndarray,
    center_classes: list[int],
    classes: int,
) -> tuple[Tensor, Tensor]:
    """Bumps of differing heights at the centers, and offsets to them, both with noise."""
    size = instance_map.shape
    yy, xx = np.mgrid[: size[0], : size[1]]
    center = 0.02 * _smooth_noise(rng, classes, size)
    for (y, x), class_id in zip(centers, center_classes, strict=True):
        bump = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * SIGMA**2))
        center[class_id] = np.maximum(center[class_id], rng.uniform(0.2, 1.0) * bump)
    center += 0.01 * _smooth_noise(rng, 1, size)
    target = centers[instance_map]  # background takes the last center's, then noise alone
    offset = np.stack([target[..., 0] - yy, target[..., 1] - xx]).astype(np.float32)
    offset *= instance_map >= 0
    offset += 2 * _smooth_noise(rng, 2, size)
    return torch.from_numpy(center), torch.from_numpy(offset)


def _smooth_noise(rng: np.random.Generator, channels: int, size: tuple[int, int]) -> np.ndarray:
    """(channels, H, W) float32, standard deviation near 1 at a quarter of the resolution."""
    small = rng.standard_normal((channels, -(-size[0] // 4), -(-size[1] // 4)), np.float32)
    enlarged = F.interpolate(torch.from_numpy(small)[None], size, mode="bilinear")
    return enlarged[0].numpy()
