"""Drawing of one object, cut out: warped, turned, textured and shaded.

``objects`` defines what each class looks like. Arrays are (y, x); outlines and object coordinates
are (x, y), as OpenCV draws them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from bestie.data.shapes.objects import Look, Part, texture

__all__ = ["Sprite", "draw_sprite", "smooth_noise"]

SUPERSAMPLING = 3


@dataclass(frozen=True)
class Sprite:
    """An object cut out.

    Attributes:
        color (ndarray): (h, w, 3) float32 RGB in [0, 1], times alpha.
        alpha (ndarray): (h, w) float32 in [0, 1].
    """

    colour: np.ndarray
    alpha: np.ndarray


def draw_sprite(
    rng: np.random.Generator,
    parts: list[Part],
    look: Look,
    radius: float,
    angle: float,
    light: np.ndarray,
) -> Sprite:
    """Draw an object: warped, turned, textured and shaded.

    Args:
        rng: random generator.
        parts: in painting order.
        look: colors and texture.
        radius: pixels that the unit of object coordinates spans.
        angle: degrees.
        light: (2,) unit vector (x, y) towards the light.
    """
    side = 2 * int(np.ceil(1.45 * radius)) + 4
    big = side * SUPERSAMPLING
    to_pixels, warp = _draw_pose(rng, radius * SUPERSAMPLING, angle)
    grid = np.arange(big, dtype=np.float32) - big / 2
    to_object = np.linalg.inv(to_pixels).astype(np.float32)
    x = to_object[0, 0] * grid + to_object[0, 1] * grid[:, None]
    y = to_object[1, 0] * grid + to_object[1, 1] * grid[:, None]

    colour = np.zeros((big, big, 3), np.float32)
    height = np.zeros((big, big), np.float32)
    covered = np.zeros((big, big), np.uint8)
    for part in parts:
        rings = [warp(ring) @ to_pixels.T + big / 2 for ring in part.rings]
        mask = np.zeros((big, big), np.uint8)
        cv2.fillPoly(mask, [np.round(ring).astype(np.int32) for ring in rings], 1)
        inside = mask.view(bool)
        if not inside.any():
            continue
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[inside]
        edge = np.clip(depth / (1.3 * SUPERSAMPLING), 0, 1)
        colour[inside] = _material(look, part.material, x[inside], y[inside])
        colour[inside] *= (0.72 + 0.28 * edge)[:, None]
        reach = 0.55 * radius * SUPERSAMPLING
        rise = np.sqrt(1 - (1 - np.clip(depth / reach, 0, 1)) ** 2)
        height[inside] = 0.3 * height[inside] + part.dome * reach * rise
        covered |= mask
    shade, gloss = _shade(rng, height, light)
    grain = 1 + 0.05 * smooth_noise(rng, (big, big), 2.0 * SUPERSAMPLING)
    alpha = covered.astype(np.float32)
    colour = np.clip(colour * (shade * grain)[..., None] + gloss[..., None], 0, 1)
    colour *= alpha[..., None]
    return Sprite(
        *(cv2.resize(a, (side, side), interpolation=cv2.INTER_AREA) for a in (colour, alpha))
    )


def _draw_pose(
    rng: np.random.Generator, scale: float, angle: float
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Linear map of object coordinates to pixels (2, 2), and a warp of outlines before it."""
    mirror = rng.choice([-1.0, 1.0])
    stretch = np.diag([mirror, 1.0]) @ np.diag(np.exp(rng.normal(0, 0.1, 2)))
    shear = np.array([[1, rng.normal(0, 0.1)], [0, 1]])
    a = np.radians(angle)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    bend, taper, wave, phase = rng.normal(0, (0.1, 0.1, 0.03, 2))

    def warp(ring: np.ndarray) -> np.ndarray:
        x, y = ring.T
        return np.stack([x + wave * np.sin(4 * y + phase), y * (1 + taper * x) + bend * x**2], 1)

    return scale * turn @ shear @ stretch, warp


def _material(look: Look, material: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, 3) colors of a material at object coordinates."""
    base = look.colours[material]
    if material != "body":
        return np.broadcast_to(base, (len(x), 3))
    share = look.contrast * texture(look.texture, x, y, look.frequency)[:, None]
    return base * (1 - share) + look.colours["second"] * share


def _shade(
    rng: np.random.Generator, height: np.ndarray, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse factor and highlight of a height map, (H, W) float32 each."""
    height = cv2.GaussianBlur(height, (0, 0), 1.2 * SUPERSAMPLING)
    slope_x, slope_y = (
        cv2.Sobel(height, cv2.CV_32F, dx, dy, ksize=3, scale=0.125) for dx, dy in ((1, 0), (0, 1))
    )
    norm = np.sqrt(1 + slope_x**2 + slope_y**2)
    facing = (0.8 - 0.6 * (slope_x * light[0] + slope_y * light[1])) / norm
    strength = rng.uniform(0.35, 0.6)
    shade = 1 - strength + strength * 1.25 * np.clip(facing, 0, None)
    gloss = rng.uniform(0, 0.3) * np.clip((facing - 0.9) / 0.1, 0, 1) ** 2
    return shade.astype(np.float32), gloss.astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> np.ndarray:
    """Smooth noise, (H, W) float32, mean 0 and standard deviation about 1.

    Args:
        rng: random generator.
        shape: (H, W).
        cell: correlation length, pixels.
    """
    cell = max(float(cell), 1.0)
    rows, columns = (int(np.ceil(side / cell)) + 3 for side in shape)
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    noise = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(1, n - side)) for n, side in zip(noise.shape, shape, strict=True))
    return 1.3 * noise[top : top + shape[0], left : left + shape[1]]
