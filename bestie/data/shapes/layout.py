"""Placing objects and clutter in a picture: groups of touching objects, and what hides what.

Arrays are (y, x).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from bestie.data.shapes.objects import (
    CLASS_NAMES,
    CLUTTER_NAMES,
    class_parts,
    clutter_parts,
    draw_colour,
    draw_look,
    max_tilt,
)
from bestie.data.shapes.sprites import Sprite, draw_sprite

__all__ = ["Item", "drop_hidden", "overlap_windows", "place_clutter", "place_objects"]

# Half the long side of an object, as share of the picture's side.
RADIUS = (0.16, 0.24)
# Share of an object that must be visible.
MIN_VISIBLE = 0.5
# Probabilities of 1, 2, ... 8 objects per picture, and of 1, 2, 3 objects of a class in a group.
NUM_OBJECTS = (0.1, 0.18, 0.22, 0.19, 0.13, 0.09, 0.05, 0.04)
GROUP_SIZES = (0.5, 0.32, 0.18)


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
        items += _place_group(rng, shape, light, class_id, size, scale, items)
        number -= size
    return items


def _place_group(
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


def _place_apart(
    rng: np.random.Generator,
    shape: tuple[int, int],
    class_id: int,
    sprite: Sprite,
    others: list[Item],
    group: list[Item],
) -> Item | None:
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


def _place_touching(
    rng: np.random.Generator,
    shape: tuple[int, int],
    class_id: int,
    sprite: Sprite,
    others: list[Item],
    group: list[Item],
) -> Item | None:
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
    inside, cut = overlap_windows(shape, sprite.alpha.shape, top, left)
    mask[inside] = sprite.alpha[cut] > 0.5
    return Item(sprite, top, left, class_id, mask)


def overlap_windows(
    shape: tuple[int, int], sprite_shape: tuple[int, int], top: int, left: int
) -> tuple[tuple, tuple]:
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
