"""Drawings of maps, points, instances, center heatmaps and offsets on an image.

Takes numpy arrays, (y, x) throughout, and returns new uint8 RGB arrays (H, W, 3) of the same size.
Line widths are in pixels of the drawing, so resize first and draw afterwards.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from bestie import formats
from bestie.regions import IGNORE
from bestie.visualization.canvas import BLACK, WHITE, Color, draw_texts, text_size

__all__ = [
    "class_color",
    "dim",
    "draw_heatmap",
    "draw_instances",
    "draw_offsets",
    "draw_points",
    "draw_semantic_map",
    "reference_length",
    "split_instance_map",
]

# Twelve colors that stay apart from each other, from gray photographs and from black and white
# grounds. Instances take the first that no neighbor has, so the best-separated ones come first.
INSTANCE_COLORS = np.array(
    [
        (255, 70, 70),
        (40, 150, 255),
        (255, 210, 0),
        (30, 190, 70),
        (230, 70, 240),
        (0, 220, 220),
        (255, 135, 0),
        (140, 95, 255),
        (170, 235, 40),
        (255, 130, 180),
        (0, 130, 140),
        (170, 105, 50),
    ],
    np.uint8,
)


def class_color(class_id: int) -> Color:
    """RGB of foreground class ``class_id`` in the VOC palette (whose entry 0 is the background)."""
    red, green, blue = formats.voc_palette()[class_id + 1]
    return int(red), int(green), int(blue)


def dim(image: np.ndarray, amount: float = 0.5) -> np.ndarray:
    """The image in gray and darker, as a background for colors."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) * (1 - amount)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


def draw_semantic_map(
    image: np.ndarray, semantic_map: np.ndarray, opacity: float = 0.5
) -> np.ndarray:
    """Lay a semantic map over the image: VOC colors, light outlines, ignored pixels striped.

    Args:
        image: (H, W, 3) uint8 RGB.
        semantic_map: (H, W) integers: 0 background (left as it is), class + 1, 255 ignore.
        opacity: of the colors, in [0, 1].

    Raises:
        ValueError: the two differ in size.
    """
    _check_size(image, semantic_map, "semantic_map")
    colors = formats.voc_palette()[np.clip(semantic_map, 0, IGNORE)]
    ignored = semantic_map == IGNORE
    height, width = semantic_map.shape
    diagonal = np.arange(height)[:, None] + np.arange(width)
    stripes = np.where((diagonal // 4 % 2)[..., None] == 0, 235, 90)
    colors = np.where(ignored[..., None], stripes, colors)
    drawn = _blend(image, colors, (semantic_map > 0) * opacity)
    kernel = np.ones((3, 3), np.uint8)
    levels = semantic_map.astype(np.uint8)
    outline = (cv2.erode(levels, kernel) != levels) & (semantic_map > 0) & ~ignored
    return _blend(drawn, 0.4 * colors + 0.6 * 255, outline * 0.9)


def draw_points(
    image: np.ndarray,
    points: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray | None = None,
    radius: float | None = None,
) -> np.ndarray:
    """Mark points: discs in the color of their class inside a white and a black ring.

    The area of a disc is proportional to the point's confidence, down to a third of the full area.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (P, 2) (y, x), pixels.
        classes: (P,) int in [0, C).
        scores: (P,) confidence in [0, 1]; 1 if omitted.
        radius: of a disc of confidence 1, pixels; if omitted, 6 for few points, less for many.
    """
    drawn = image.copy()
    if radius is None:
        radius = float(np.clip(22 / np.sqrt(max(1, len(points))), 2.5, 6))
    if scores is None:
        scores = np.ones(len(points))
    for (y, x), class_id, score in zip(points, classes, scores, strict=True):
        size = radius * np.sqrt(np.clip(score, 1 / 3, 1))
        # cv2 takes (x, y), here in sixteenths of a pixel so that small discs stay round.
        center = (round(float(x) * 16), round(float(y) * 16))
        rings = ((size + 2.4, BLACK), (size + 1.4, WHITE), (size, class_color(class_id)))
        for ring_radius, color in rings:
            cv2.circle(drawn, center, round(ring_radius * 16), color, -1, cv2.LINE_AA, shift=4)
    return drawn


def split_instance_map(instance_map: np.ndarray) -> np.ndarray:
    """(N, H, W) bool masks of the N values above 0 of an (H, W) integer map, ascending."""
    ids = np.unique(instance_map)
    return instance_map[None] == ids[ids > 0][:, None, None]


def draw_instances(
    image: np.ndarray,
    masks: np.ndarray,
    texts: Sequence[str] | None = None,
    opacity: float = 0.4,
    font_size: int = 13,
) -> np.ndarray:
    """Lay instances over the image, each filled and outlined in a color that no neighbor has.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool, which may overlap (small ones lie on top); an instance map goes
            through :func:`split_instance_map` first.
        texts: N strings (class, score), written on the instances that are large enough for them.
        opacity: of the fill, in [0, 1].
        font_size: pixels.

    Raises:
        ValueError: masks and image differ in size.
    """
    if len(masks) == 0:
        return image.copy()
    _check_size(image, masks[0], "masks")
    boxes = _boxes(masks)
    colors = _instance_colors(boxes)
    drawn = image.copy()
    areas = masks.sum((1, 2))
    order = np.argsort(-areas, kind="stable")
    order = order[areas[order] > 0]  # a tiny mask may have lost its pixels when it was resized
    for index in order:
        window = _window(boxes[index])
        drawn[window] = _blend(drawn[window], colors[index], masks[index][window] * opacity)
    for index in order:
        window = _window(boxes[index])
        mask = masks[index][window].astype(np.uint8)
        # The outline lies inside the mask, so that two instances that touch show both theirs.
        inner = cv2.erode(
            mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        drawn[window][(mask - inner).astype(bool)] = colors[index]
    if texts is None:
        return drawn
    return _write_on_instances(drawn, masks, boxes, texts, font_size)


def draw_heatmap(heatmap: np.ndarray, image: np.ndarray | None = None) -> np.ndarray:
    """Show a center heatmap, its maximum over classes: inferno, 0 dark, 1 and above bright.

    Args:
        heatmap: (C, H, W) or (H, W) float, nominally in [0, 1]; values outside are cut.
        image: (H, W, 3) uint8 RGB that shines through, dimmed, where the values are low.

    Raises:
        ValueError: heatmap and image differ in size.
    """
    values = heatmap.max(axis=0) if heatmap.ndim == 3 else heatmap
    values = np.clip(np.nan_to_num(values), 0, 1).astype(np.float32)
    levels = np.round(values * 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    if image is None:
        return colors
    _check_size(image, values, "heatmap")
    return _blend(dim(image, 0.6), colors, np.clip(2 * values, 0, 1))


def draw_offsets(
    offset: np.ndarray,
    weight: np.ndarray | None = None,
    max_length: float | None = None,
    legend: bool = True,
) -> np.ndarray:
    """Show offsets on the color wheel: hue is the direction, brightness the length.

    Args:
        offset: (2, H, W) float, pixels, (dy, dx) from pixel to center.
        weight: (H, W); pixels of weight 0 or less have no offset and are light gray. All have one,
            if omitted.
        max_length: length of full brightness, pixels; the 95th percentile of what is shown, if
            omitted.
        legend: put a small wheel into the lower right corner, labeled with ``max_length``.

    Raises:
        ValueError: offset and weight differ in size.
    """
    shown = np.ones(offset.shape[1:], bool) if weight is None else weight > 0
    if shown.shape != offset.shape[1:]:
        raise ValueError(
            f"weight is {shown.shape}, offset {offset.shape[1:]}: both must be (H, W)."
        )
    if max_length is None:
        max_length = reference_length(offset, shown)
    drawn = np.where(shown[..., None], _wheel_colors(offset, max_length), 205).astype(np.uint8)
    return _add_wheel(drawn, max_length) if legend else drawn


def reference_length(offset: np.ndarray, shown: np.ndarray) -> float:
    """Offset length of full brightness: the 95th percentile where ``shown``, at least 1 px."""
    lengths = np.hypot(offset[0], offset[1])[shown]
    return max(1.0, float(np.percentile(lengths, 95))) if lengths.size else 1.0


def _check_size(image: np.ndarray, other: np.ndarray, name: str) -> None:
    if other.shape != image.shape[:2]:
        raise ValueError(f"{name} is {other.shape}, the image {image.shape[:2]}: both must agree.")


def _blend(image: np.ndarray, colors: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Mix ``colors`` into ``image``; opacity (H, W) in [0, 1]."""
    opacity = np.asarray(opacity, np.float32)[..., None]
    return np.round(image * (1 - opacity) + colors * opacity).astype(np.uint8)


def _boxes(masks: np.ndarray) -> np.ndarray:
    """(N, 4) int64 y0, x0, y1, x1 (exclusive) around each mask; zeros for an empty one."""
    edges = []
    for axis in (2, 1):
        profile = np.asarray(masks.any(axis=axis))
        first = profile.argmax(axis=1)
        last = profile.shape[1] - profile[:, ::-1].argmax(axis=1)
        edges.append((first, np.where(profile.any(axis=1), last, 0)))
    (y0, y1), (x0, x1) = edges
    return np.stack([y0, x0, y1, x1], axis=1)


def _window(box: np.ndarray) -> tuple[slice, slice]:
    y0, x0, y1, x1 = box
    return slice(y0, y1), slice(x0, x1)


def _instance_colors(boxes: np.ndarray) -> np.ndarray:
    """(N, 3) uint8, chosen one by one: unlike those of touching boxes, then of boxes around."""
    touching, around = _boxes_within(boxes, 4), _boxes_within(boxes, 24)
    chosen = np.zeros(len(boxes), np.int64)
    for index in range(len(boxes)):
        cost = np.zeros(len(INSTANCE_COLORS), np.int64)
        for near, weight in ((touching, len(boxes)), (around, 1)):
            np.add.at(cost, chosen[:index][near[index, :index]], weight)
        # Among the cheapest, spread over the palette by the running number.
        cheapest = np.flatnonzero(cost == np.min(cost))[:6]
        chosen[index] = cheapest[index % len(cheapest)]
    return INSTANCE_COLORS[chosen]


def _boxes_within(boxes: np.ndarray, distance: int) -> np.ndarray:
    """(N, N) bool: the boxes come closer to each other than ``distance`` pixels."""
    low, high = boxes[:, :2], boxes[:, 2:] + distance
    return np.asarray(((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=2))


def _write_on_instances(
    image: np.ndarray,
    masks: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    size: int,
) -> np.ndarray:
    """Write each text where its mask is thickest, if the box holds most of it and none is there."""
    placed, taken = [], np.zeros(image.shape[:2], bool)
    for mask, box, text in zip(masks, boxes, texts, strict=True):
        height, width = text_size(text, size)
        box_height, box_width = box[2:] - box[:2]
        if box_height < height or box_width < 0.8 * width:
            continue
        window = mask[_window(box)].astype(np.uint8)
        padded = cv2.copyMakeBorder(window, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
        y, x = box[:2] + np.unravel_index(depth.argmax(), depth.shape)
        place = np.s_[
            max(0, y - height // 2) : y + height // 2, max(0, x - width // 2) : x + width // 2
        ]
        if not taken[place].any():
            taken[place] = True
            placed.append((text, (y, x)))
    return draw_texts(image, placed, size)


def _wheel_colors(offset: np.ndarray, max_length: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an offset field (2, H, W)."""
    dy, dx = np.nan_to_num(offset.astype(np.float32))
    hue = np.degrees(np.arctan2(dy, dx)) % 360
    value = np.clip(np.hypot(dy, dx) / max_length, 0, 1)
    hsv = np.stack([hue, np.ones_like(hue), value], axis=2).astype(np.float32)
    return np.round(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8)


def _add_wheel(image: np.ndarray, max_length: float) -> np.ndarray:
    """Put the color wheel, labeled with the length at its rim, into the lower right corner."""
    height, width = image.shape[:2]
    radius = int(np.clip(min(height, width) // 10, 6, 32))
    step = np.arange(-radius, radius + 1)
    dy, dx = np.meshgrid(step, step, indexing="ij")
    wheel = _wheel_colors(np.stack([dy, dx]), radius)
    distance = np.hypot(dy, dx)
    wheel[distance > radius - 1.5] = 255
    margin = 2
    top, left = height - wheel.shape[0] - margin, width - wheel.shape[1] - margin
    if top < 0 or left < 0:
        return image
    drawn = image.copy()
    corner = drawn[top : top + wheel.shape[0], left : left + wheel.shape[1]]
    inside = distance <= radius
    corner[inside] = wheel[inside]
    size = max(10, radius // 2)
    label = f"{max_length:.0f} px"
    text_height, text_width = text_size(label, size)
    position = (height - margin - text_height / 2, left - text_width / 2 - 3)
    return draw_texts(drawn, [(label, position)], size)
