"""Masks as label files state them, and the pixels that they cover.

Coordinates are (x, y), pixels from the top left corner of the image: pixel i covers i <= x < i + 1.
A pixel belongs to an outline if its center lies inside, as pycocotools decides it (to a tenth of a
pixel), which Detectron2 uses for polygons, too.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from bestie.formats.labels.base import parse_numbers, parse_pair

__all__ = [
    "MAX_PIXELS",
    "Bitmap",
    "Coded",
    "Outline",
    "Ring",
    "Shape",
    "draw_shape",
    "ellipse_ring",
    "parse_flat_ring",
    "parse_ring",
]

Ring = tuple[tuple[float, float], ...]
# A vertex may lie this far outside the image, pixels: tools round.
MARGIN = 1.0
# More pixels than any photo has: a mask that states more is damaged.
MAX_PIXELS = 1 << 28


@dataclass(frozen=True)
class Outline:
    """A mask of one or more parts.

    Attributes:
        parts: each part is rings of (x, y): what lies inside an odd number of its rings belongs to
            it (an outer ring and its holes). The mask is the union of the parts.
    """

    parts: tuple[tuple[Ring, ...], ...]

    def scaled(self, width: float, height: float) -> "Outline":
        """The mask in pixels, if its coordinates are shares of an image of this size."""
        return Outline(
            tuple(
                tuple(tuple((x * width, y * height) for x, y in ring) for ring in part)
                for part in self.parts
            )
        )

    @staticmethod
    def of_rings(rings: Iterable[Ring]) -> "Outline":
        """A mask whose parts are single rings, without holes."""
        return Outline(tuple((ring,) for ring in rings))


@dataclass(frozen=True, eq=False)
class Bitmap:
    """A mask given by its pixels.

    Attributes:
        pixels: (h, w) bool.
        left, top: of the first pixel in the image.
    """

    pixels: np.ndarray
    left: int = 0
    top: int = 0


@dataclass(frozen=True, eq=False)
class Coded:
    """A mask as COCO run-length code ``{"size": [H, W], "counts": str}`` of the whole image."""

    rle: dict[str, Any]


Shape = Outline | Bitmap | Coded


def draw_shape(shape: Shape, height: int, width: int) -> np.ndarray | str:
    """The pixels of a mask in an image: (height, width) bool; or what is wrong with it."""
    if isinstance(shape, Outline):
        return _draw_outline(shape, height, width)
    if isinstance(shape, Coded):
        rows, columns = shape.rle["size"]
        if (rows, columns) != (height, width):
            return f"its mask is of an image of {rows} x {columns} (height x width)"
        return coco_mask.decode(shape.rle).astype(bool)
    rows, columns = shape.pixels.shape
    if not (0 <= shape.top <= height - rows and 0 <= shape.left <= width - columns):
        return (
            f"its mask of {rows} x {columns} pixels at x {shape.left}, y {shape.top} does not lie "
            "inside the image"
        )
    mask = np.zeros((height, width), bool)
    mask[shape.top : shape.top + rows, shape.left : shape.left + columns] = shape.pixels
    return mask


def _draw_outline(outline: Outline, height: int, width: int) -> np.ndarray | str:
    mask = np.zeros((height, width), bool)
    for part in outline.parts:
        drawn = np.zeros((height, width), bool)
        for ring in part:
            for x, y in ring:
                if not (-MARGIN <= x <= width + MARGIN and -MARGIN <= y <= height + MARGIN):
                    return f"the vertex x {x:g}, y {y:g} of its outline lies outside the image"
            flat = [side for point in ring for side in point]
            code = coco_mask.merge(coco_mask.frPyObjects([flat], height, width))
            drawn ^= coco_mask.decode(code).astype(bool)
        mask |= drawn
    return mask


def parse_ring(value: Any) -> Ring | None:
    """A ring from [[x, y], ...] of 3 or more points; None: anything else."""
    if not isinstance(value, list | tuple):
        return None
    points = tuple(pair for pair in map(parse_pair, value) if pair is not None)
    return points if len(points) == len(value) >= 3 else None


def parse_flat_ring(value: Any) -> Ring | None:
    """A ring from [x, y, x, y, ...] of 3 or more points; None: anything else."""
    numbers = parse_numbers(value) if isinstance(value, list | tuple) else None
    if numbers is None or len(numbers) % 2 or len(numbers) < 6:
        return None
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def ellipse_ring(cx: float, cy: float, rx: float, ry: float, degrees: float = 0) -> Ring:
    """An ellipse as a ring, within 0.02 pixels.

    Args:
        cx, cy: center.
        rx, ry: radii along its own axes.
        degrees: turn of its axes, clockwise in the image.
    """
    number = math.ceil(min(max(16.0, math.pi * math.sqrt(max(rx, ry) / 0.04)), 4096.0))
    turn = math.radians(degrees)
    ring = []
    for step in range(number):
        angle = 2 * math.pi * step / number
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        ring.append(
            (
                cx + x * math.cos(turn) - y * math.sin(turn),
                cy + x * math.sin(turn) + y * math.cos(turn),
            )
        )
    return tuple(ring)
