"""Rendering of the built-in data set's scenes: objects, clutter and background to one picture.

A random generator and a size give the picture and the map of which pixel belongs to which object.
``objects`` defines what each class looks like.

Arrays are (y, x); outlines and object coordinates are (x, y), as OpenCV draws them.
"""

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from bestie.data.shapes.objects import (
    CLASS_NAMES,
    CLUTTER_NAMES,
    Look,
    Part,
    class_parts,
    clutter_parts,
    draw_colour,
    draw_look,
    max_tilt,
    texture,
)

__all__ = ["Scene", "draw_scene", "smooth_noise"]

SUPERSAMPLING = 3
# Half the long side of an object, as share of the picture's side.
RADIUS = (0.16, 0.24)
# Share of an object that must be visible, and the pixels (of a picture of 160 x 160).
MIN_VISIBLE = 0.5
MIN_AREA = 200
# Probabilities of 1, 2, ... 8 objects per picture, and of 1, 2, 3 objects of a class in a group.
NUM_OBJECTS = (0.1, 0.18, 0.22, 0.19, 0.13, 0.09, 0.05, 0.04)
GROUP_SIZES = (0.5, 0.32, 0.18)


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


@dataclass(frozen=True)
class Sprite:
    """An object cut out.

    Attributes:
        color (ndarray): (h, w, 3) float32 RGB in [0, 1], times alpha.
        alpha (ndarray): (h, w) float32 in [0, 1].
    """

    colour: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Item:
    """A sprite in the picture.

    Attributes:
        sprite: what is painted.
        top, left: its place, pixels; can be negative.
        class_id: -1 for clutter.
        mask (ndarray): (H, W) bool, its pixels if nothing hid it.
    """

    sprite: Sprite
    top: int
    left: int
    class_id: int
    mask: np.ndarray


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


# ------------------------------------------------------------------------------- layout


def place_objects(
    rng: np.random.Generator, shape: tuple[int, int], light: np.ndarray, main_class: int
) -> list[Item]:
    """Objects of 1 to 3 classes in groups; the members of a group touch or overlap a little."""
    number = 1 + rng.choice(len(NUM_OBJECTS), p=NUM_OBJECTS)
    num_others = int(rng.integers(0, min(3, number)))
    others = [i for i in range(len(CLASS_NAMES)) if i != main_class]
    class_ids = [main_class, *rng.choice(others, num_others, replace=False)]
    scale = rng.uniform(*RADIUS) * min(shape)
    items: list[Item] = []
    while number > 0:
        class_id = int(rng.choice(class_ids))
        size = min(number, 1 + int(rng.choice(len(GROUP_SIZES), p=GROUP_SIZES)))
        items += place_group(rng, shape, light, class_id, size, scale, items)
        number -= size
    return items


def place_group(
    rng: np.random.Generator,
    shape: tuple[int, int],
    light: np.ndarray,
    class_id: int,
    size: int,
    scale: float,
    others: list[Item],
) -> list[Item]:
    """A group of touching objects of a class, apart from the others; fewer if they do not fit."""
    low, high = (radius * min(shape) for radius in RADIUS)
    name = CLASS_NAMES[class_id]
    colour = draw_colour(rng, name)
    tilt = rng.uniform(-1, 1) * max_tilt(name)
    group: list[Item] = []
    for _ in range(size):
        alike = rng.random() < 0.6
        look = draw_look(rng, name, colour if alike else None)
        radius = np.clip(scale * rng.lognormal(0, 0.15), low, high)
        angle = tilt + rng.normal(0, 15) if alike else rng.uniform(-1, 1) * max_tilt(name)
        sprite = draw_sprite(rng, class_parts(rng, name), look, radius, angle, light)
        place = _place_touching if group else _place_apart
        item = place(rng, shape, class_id, sprite, others, group)
        if item is not None:
            group.append(item)
    return group


def _place_apart(rng, shape, class_id, sprite, others, group) -> Item | None:
    """First of a group: hides little of other objects, and touches none of its own class."""
    for _ in range(20):
        y, x = rng.uniform(0.08, 0.92, 2) * shape
        item = _at(sprite, class_id, shape, y, x)
        near = cv2.dilate(item.mask.view(np.uint8), np.ones((9, 9), np.uint8)).view(bool)
        if _fits(item, others) and not any(
            other.class_id == class_id and (near & other.mask).any() for other in others
        ):
            return item
    return None


def _place_touching(rng, shape, class_id, sprite, others, group) -> Item | None:
    """Next of a group: pushed against one of it until it overlaps by a few percent."""
    for _ in range(12):
        neighbour = group[rng.integers(len(group))]
        rows, columns = np.nonzero(neighbour.mask)
        direction = rng.uniform(0, 2 * np.pi)
        overlap = rng.uniform(0.01, 0.12) * (sprite.alpha > 0.5).sum()
        for distance in np.arange(max(sprite.alpha.shape), 4, -1.5):
            y = rows.mean() + distance * np.sin(direction)
            x = columns.mean() + distance * np.cos(direction)
            item = _at(sprite, class_id, shape, y, x)
            if (item.mask & neighbour.mask).sum() >= overlap:
                rest = [other for other in group if other is not neighbour]
                if _fits(item, others + rest):
                    return item
                break
    return None


def _fits(item: Item, others: list[Item]) -> bool:
    """Whether most of the item is inside the picture and it shares little with any other."""
    if item.mask.sum() < 0.75 * (item.sprite.alpha > 0.5).sum():
        return False
    for other in others:
        smaller = min(item.mask.sum(), other.mask.sum())
        if (item.mask & other.mask).sum() > 0.2 * smaller:
            return False
    return True


def _at(sprite: Sprite, class_id: int, shape: tuple[int, int], y: float, x: float) -> Item:
    """The sprite with its middle at (y, x)."""
    h, w = sprite.alpha.shape
    top, left = round(float(y) - h / 2), round(float(x) - w / 2)
    mask = np.zeros(shape, bool)
    inside, cut = _windows(shape, sprite.alpha.shape, top, left)
    mask[inside] = sprite.alpha[cut] > 0.5
    return Item(sprite, top, left, class_id, mask)


def _windows(shape, sprite_shape, top: int, left: int) -> tuple[tuple, tuple]:
    """Index of the sprite's place in the picture, and of the part of the sprite that is inside."""
    inside, cut = [], []
    for side, length, start in zip(shape, sprite_shape, (top, left), strict=True):
        first, last = max(start, 0), max(min(start + length, side), 0)
        inside.append(slice(first, max(last, first)))
        cut.append(slice(first - start, max(last, first) - start))
    return tuple(inside), tuple(cut)


def place_clutter(
    rng: np.random.Generator,
    shape: tuple[int, int],
    light: np.ndarray,
    number: int,
    sizes: tuple[float, float],
) -> list[Item]:
    """Things of no class, in any color and the classes' textures, anywhere."""
    items = []
    for _ in range(number):
        parts = clutter_parts(rng, str(rng.choice(CLUTTER_NAMES)))
        name = str(rng.choice(CLASS_NAMES))
        colour = np.array([rng.uniform(0, 360), *draw_colour(rng, name)[1:]])
        look = draw_look(rng, name, colour, clutter=True)
        radius = rng.uniform(*sizes) * rng.uniform(*RADIUS) * min(shape)
        sprite = draw_sprite(rng, parts, look, radius, rng.uniform(-180, 180), light)
        y, x = rng.uniform(0, 1, 2) * shape
        items.append(_at(sprite, -1, shape, y, x))
    return items


def drop_hidden(items: list[Item], min_area: float) -> list[Item]:
    """Take out objects that later items or the border hide too much, most hidden first."""
    while True:
        hidden = np.zeros_like(items[0].mask)
        worst, least = None, 1.0
        for item in reversed(items):
            if item.class_id >= 0:
                visible = (item.mask & ~hidden).sum()
                share = visible / (item.sprite.alpha > 0.5).sum() / MIN_VISIBLE
                share = min(share, visible / min_area)
                if share < least:
                    worst, least = item, share
            hidden |= item.mask
        if worst is None:
            return items
        items = [item for item in items if item is not worst]


# ------------------------------------------------------------------------------- objects


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


def _draw_pose(rng: np.random.Generator, scale: float, angle: float):
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


def _shade(rng: np.random.Generator, height: np.ndarray, light: np.ndarray):
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


# ------------------------------------------------------------------------------- picture


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
    inside, cut = _windows(
        canvas.shape[:2], alpha.shape, item.top - 6 + drop[0], item.left - 6 + drop[1]
    )
    canvas[inside] *= 1 - 0.45 * shadow[cut]
    inside, cut = _windows(canvas.shape[:2], item.sprite.alpha.shape, item.top, item.left)
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
