"""Rendering of the built-in data set's scenes: objects, clutter and background to one picture.

A random generator and a size give the picture and the map of which pixel belongs to which object.
Arrays are (y, x).
"""

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from bestie.data.shapes.layout import (
    Item,
    drop_hidden,
    overlap_windows,
    place_clutter,
    place_objects,
)
from bestie.data.shapes.sprites import smooth_noise

__all__ = ["Scene", "draw_scene"]

# Pixels of an object that must be visible, in a picture of 160 x 160.
MIN_AREA = 200


@dataclass(frozen=True)
class Scene:
    """A rendered picture with its truth.

    Attributes:
        image (ndarray): (H, W, 3) uint8 RGB.
        instance_map (ndarray): (H, W) uint8, 0 none, i + 1 = visible pixels of object i.
        classes (ndarray): (N,) int64, class of object i.
    """

    image: np.ndarray
    instance_map: np.ndarray
    classes: np.ndarray


def draw_scene(rng: np.random.Generator, height: int, width: int, class_id: int) -> Scene:
    """Draw a picture with 1 to 8 objects of 1 to 3 classes, many touching one of their class.

    Args:
        rng: random generator.
        height, width: of the picture, pixels.
        class_id: one of the classes to draw; the caller takes turns, so that none gets rare.
    """
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle)])
    items = place_objects(rng, (height, width), light, class_id)
    items = [items[i] for i in rng.permutation(len(items))]
    behind = place_clutter(rng, (height, width), light, int(rng.integers(1, 6)), (0.25, 0.85))
    before = place_clutter(rng, (height, width), light, int(rng.integers(0, 3)), (0.2, 0.45))
    items = drop_hidden([*behind, *items, *before], MIN_AREA * height * width / 160**2)

    canvas = draw_background(rng, height, width)
    instance_map = np.zeros((height, width), np.uint8)
    classes = []
    for item in items:
        paint(canvas, item, light)
        instance_map[item.mask] = 0
        if item.class_id >= 0:
            classes.append(item.class_id)
            instance_map[item.mask] = len(classes)
    if not classes:
        return draw_scene(rng, height, width, class_id)
    image = photograph(rng, canvas, light)
    return Scene(image, instance_map, np.array(classes, dtype=np.int64))


def draw_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Textured ground, (H, W, 3) float32 RGB in [0, 1]."""
    shape = (height, width)
    hues, saturation = rng.uniform(0, 360) + rng.normal(0, 35, 2), rng.uniform(0.05, 0.4, 2)
    values = rng.uniform(0.3, 0.75) + np.array([-1, 1]) * rng.uniform(0.04, 0.16)
    hsv = np.stack([hues % 360, saturation, values], axis=1).astype(np.float32)[None]
    first, second = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    cells = min(shape) * np.array([0.3, 0.12, 0.04, 0.015])
    layers = [smooth_noise(rng, shape, cell) * rng.uniform(0.1, 0.8) for cell in cells]
    share = reduce(np.add, layers)
    style = rng.choice(["plain", "planks", "tiles", "grass"], p=(0.4, 0.2, 0.2, 0.2))
    angle, period = rng.uniform(0, np.pi), min(shape) * rng.uniform(0.06, 0.2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / period
    if style == "planks":
        share = share + 0.8 * np.sin(2.4 * np.floor(u) ** 2) - 2.5 * (u % 1 < 0.1)
    elif style == "tiles":
        share = share - 2.0 * ((u % 1 < 0.1) | (v % 1 < 0.1))
    elif style == "grass":
        share = share + 1.2 * np.sin(6 * u + 2 * smooth_noise(rng, shape, period))
    share = 1 / (1 + np.exp(-1.5 * share[..., None]))
    return (first * (1 - share) + second * share).astype(np.float32)


def paint(canvas: np.ndarray, item: Item, light: np.ndarray) -> None:
    """Paint an item and its soft shadow onto the (H, W, 3) canvas, in place."""
    alpha = np.pad(item.sprite.alpha, 6)
    size = max(item.sprite.alpha.shape)
    shadow = cv2.GaussianBlur(alpha, (0, 0), 2.0)[..., None]
    drop = np.round(-light[::-1] * 0.05 * size).astype(int)
    inside, cut = overlap_windows(
        canvas.shape[:2], alpha.shape, item.top - 6 + drop[0], item.left - 6 + drop[1]
    )
    canvas[inside] *= 1 - 0.45 * shadow[cut]
    inside, cut = overlap_windows(canvas.shape[:2], item.sprite.alpha.shape, item.top, item.left)
    canvas[inside] *= 1 - item.sprite.alpha[cut][..., None]
    canvas[inside] += item.sprite.colour[cut]


def photograph(rng: np.random.Generator, canvas: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Uneven light, tint, contrast, blur and sensor noise; (H, W, 3) uint8."""
    height, width = canvas.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    ramp = 1 + rng.uniform(0.05, 0.3) * (x * light[0] + y * light[1])
    ramp += rng.uniform(0, 0.08) * smooth_noise(rng, (height, width), min(height, width) * 0.4)
    image = canvas * ramp[..., None] * (rng.uniform(0.8, 1.2) * rng.normal(1, 0.04, 3))
    image = np.clip(image, 0, 1) ** rng.uniform(0.8, 1.25)
    blur = rng.uniform(0, 0.9)
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image = image * 255 + rng.normal(0, rng.uniform(2, 8), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
