"""Canvases: text, titles, legends, tiling and sizes of drawings.

Takes uint8 RGB arrays (H, W, 3) and strings, and returns new uint8 RGB arrays; the inputs are not
changed. Text is set in DejaVu Sans, which is part of matplotlib, or where it lacks a script in a
font of the system.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from bestie import formats

__all__ = [
    "add_legend",
    "add_title",
    "draw_texts",
    "fit_size",
    "resize_image",
    "resize_nearest",
    "save_jpeg",
    "save_png",
    "shorten",
    "text_size",
    "tile",
]

logger = logging.getLogger(__name__)

Color = tuple[int, int, int]
BLACK, WHITE, INK, PAPER = (0, 0, 0), (255, 255, 255), (32, 32, 36), (255, 255, 255)


@lru_cache(maxsize=16)
def _load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=64)
def _characters(path: str) -> frozenset[int]:
    """Code points that a font file has glyphs for; empty if it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@lru_cache(maxsize=64)
def _system_font(characters: frozenset[int]) -> str | None:
    """A font of the system that has all of these characters, or None."""
    for path in sorted(font_manager.findSystemFonts()):
        if characters <= _characters(path):
            return path
    _warn_of_missing_font()
    return None


@lru_cache(maxsize=1)
def _warn_of_missing_font() -> None:
    """Say once that class names cannot be drawn as they are."""
    logger.warning(
        "No font of this system has all characters of the class names; those that are missing are "
        "drawn as their Unicode numbers. Install a font of the script, for example Noto Sans CJK."
    )


def _font(text: str, size: int, bold: bool) -> tuple[ImageFont.FreeTypeFont, str]:
    """A font for a text, and the text as it can be drawn with it."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = str(Path(matplotlib.get_data_path(), "fonts", "ttf", name))
    known = _characters(path)
    needed = frozenset(map(ord, text))
    if not needed <= known:
        fallback = _system_font(needed)
        if fallback is not None:
            return _load_font(fallback, size), text
        text = "".join(c if ord(c) in known else f"<{ord(c):04X}>" for c in text)
    return _load_font(path, size), text


def text_size(text: str, size: int, bold: bool = False) -> tuple[int, int]:
    """Height and width in pixels of the line that ``text`` takes in a font of ``size`` pixels."""
    font, text = _font(text, size, bold)
    ascent, descent = font.getmetrics()
    return ascent + descent, int(np.ceil(font.getlength(text)))


def draw_texts(
    image: np.ndarray,
    texts: Sequence[tuple[str, tuple[float, float]]],
    size: int,
    color: Color = WHITE,
    outline: Color | None = BLACK,
    bold: bool = False,
) -> np.ndarray:
    """Write lines of text, each centered on its position and pushed inside the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        texts: pairs of a line and the (y, x) of its middle, pixels.
        size: of the font, pixels.
        color: RGB.
        outline: RGB of a thin contour that keeps the text readable on any ground; None: no contour.
    """
    height, width = image.shape[:2]
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    stroke = 0 if outline is None else max(1, size // 9)
    for text, (y, x) in texts:
        text_height, text_width = text_size(text, size, bold)
        top = np.clip(y - text_height / 2, 0, max(0, height - text_height))
        left = np.clip(x - text_width / 2, 1, max(1, width - text_width - 1))
        font, shown = _font(text, size, bold)
        pen.text(
            (round(left), round(top)),
            shown,
            fill=color,
            font=font,
            stroke_width=stroke,
            stroke_fill=outline,
        )
    return np.array(canvas)


def shorten(text: str, width: int, size: int, bold: bool = False) -> str:
    """``text``, its end replaced by an ellipsis if it is wider than ``width`` pixels."""
    if text_size(text, size, bold)[1] <= width:
        return text
    while text and text_size(text + "…", size, bold)[1] > width:
        text = text[:-1]
    return text.rstrip() + "…"


def add_title(image: np.ndarray, title: str, size: int = 15) -> np.ndarray:
    """Put a strip with ``title``, cut to the image's width, above it; strips are equally high."""
    line_height, _ = text_size(title, size, bold=True)
    strip = np.full((line_height + 4, image.shape[1], 3), PAPER, np.uint8)
    title = shorten(title, image.shape[1], size, bold=True)
    middle = ((line_height + 2) / 2, text_size(title, size, bold=True)[1] / 2)
    return np.vstack([draw_texts(strip, [(title, middle)], size, INK, None, bold=True), image])


def add_legend(
    image: np.ndarray, entries: Sequence[tuple[str, Color | None]], size: int = 13
) -> np.ndarray:
    """A strip below the image with names, each behind a swatch of its color (None: no swatch).

    The names are wrapped to the image's width; no entries, no strip.
    """
    if not entries:
        return image
    width = image.shape[1]
    line_height = text_size("", size)[0] + 3
    swatch, gap = size - 2, size
    placed, y, x = [], 3, 0
    for name, color in entries:
        indent = 0 if color is None else swatch + 4
        name = shorten(name, width - indent, size)
        entry_width = indent + text_size(name, size)[1]
        if x > 0 and x + entry_width > width:
            y, x = y + line_height, 0
        placed.append((name, color, y, x, indent))
        x += entry_width + gap
    canvas = Image.new("RGB", (width, y + line_height), PAPER)
    pen = ImageDraw.Draw(canvas)
    for name, color, top, left, indent in placed:
        if color is not None:
            box_top = top + (line_height - 3 - swatch) // 2 + 1
            box = (left, box_top, left + swatch - 1, box_top + swatch - 1)
            pen.rectangle(box, fill=tuple(color), outline=INK)
        font, shown = _font(name, size, False)
        pen.text((left + indent, top), shown, fill=INK, font=font)
    return np.vstack([image, np.array(canvas)])


def tile(
    rows: Sequence[Sequence[np.ndarray]], gap: int = 8, background: Color = PAPER
) -> np.ndarray:
    """Place images side by side, row below row, aligned at their top left corners.

    Columns are as wide as their widest image, rows as high as their highest; rows may differ in
    length.

    Raises:
        ValueError: no image is given.
    """
    if not any(len(row) for row in rows):
        raise ValueError("Nothing to tile: no row contains an image.")
    num_columns = max(len(row) for row in rows)
    widths = [max(row[i].shape[1] for row in rows if i < len(row)) for i in range(num_columns)]
    heights = [max((image.shape[0] for image in row), default=0) for row in rows]
    shape = (sum(heights) + gap * (len(rows) + 1), sum(widths) + gap * (num_columns + 1), 3)
    canvas = np.full(shape, background, np.uint8)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for image, width in zip(row, widths, strict=False):
            canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
            left += width + gap
        top += height + gap
    return canvas


def fit_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width that make the longer side ``side`` pixels and keep the aspect."""
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture to (height, width): area average when it shrinks, cubic when it grows."""
    shrinks = size[0] < image.shape[0] or size[1] < image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, size[::-1], interpolation=interpolation)


def resize_nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize the last two axes of an array of labels or masks to (height, width), any dtype."""
    old_height, old_width = labels.shape[-2:]
    rows = (np.arange(size[0]) * 2 + 1) * old_height // (2 * size[0])
    columns = (np.arange(size[1]) * 2 + 1) * old_width // (2 * size[1])
    return labels[..., rows[:, None], columns]


def save_jpeg(path: str | Path, image: np.ndarray, quality: int = 90) -> None:
    """Write an (H, W, 3) uint8 RGB array as a JPEG file, complete or not at all."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)[1]
    with formats.atomic_write(path, "wb") as file:
        file.write(encoded.tobytes())


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 RGB array as a PNG file, complete or not at all."""
    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    with formats.atomic_write(path, "wb") as file:
        file.write(encoded.tobytes())
