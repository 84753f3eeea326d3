"""Regions of Label Studio: their labels, and their coordinates in percent of the image."""

import json
import math
from typing import Any

from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    missing_library,
    parse_number,
    parse_pair,
)
from bestie.formats.labels.objects import Box, Place, add_object
from bestie.formats.labels.shapes import MAX_PIXELS, Coded, Outline, ellipse_ring, parse_ring
from bestie.formats.rle import encode_mask

__all__ = ["COORDINATES", "add_region", "label_key"]

# A value that has one of these is a region.
COORDINATES = {"x", "points", "rle", "vertices"}
LABEL_KEYS = (
    "keypointlabels",
    "polygonlabels",
    "rectanglelabels",
    "ellipselabels",
    "brushlabels",
    "labels",
)
ACCEPTED = "a keypoint, polygon, rectangle, ellipse or brush with one label"


def label_key(entry: Any) -> str:
    """Which labels a region has ("keypointlabels"); "" if none."""
    keys = [key for key in LABEL_KEYS if key in entry] if isinstance(entry, dict) else []
    return keys[0] if keys else ""


def add_region(entry: Any, place: Place, labels: Labels, options: ReadOptions) -> None:
    """Add a region.

    Args:
        entry: its value, with original_width and original_height (pixels).
        place: of the region.
        labels: gets the object or the mistake.
        options: of the user.
    """
    shown = json.dumps(entry)[:80]
    size = _size(entry)
    name = None if size is None else _label(entry)
    if size is None or name is None:
        sizes = "x, y, original_width and original_height"
        place.report(f"{shown} is not {ACCEPTED}, {sizes}", labels)
        return
    if entry.get("image_rotation") not in (None, 0):
        place.report("is a region of an image that was turned in Label Studio; save it so", labels)
        return
    width, height = size
    parts = _parts(entry, width, height)
    if isinstance(parts, str):
        place.report(f"{shown} {parts}", labels)
        return
    add_object(labels, options, place, name, **parts)
    labels.add_size(place.image, height, width, place.file)


def _size(entry: Any) -> tuple[float, float] | None:
    if not isinstance(entry, dict):
        return None
    width, height = (parse_number(entry.get(f"original_{side}")) for side in ("width", "height"))
    if not width or not height or min(width, height) < 0:
        return None
    return (width, height) if width == int(width) and height == int(height) else None


def _label(entry: dict[str, Any]) -> str | None:
    found = [entry[key] for key in LABEL_KEYS if key in entry]
    if len(found) != 1 or not isinstance(found[0], list) or len(found[0]) != 1:
        return None
    return found[0][0] if isinstance(found[0][0], str) else None


def _parts(entry: dict[str, Any], width: float, height: float) -> dict[str, Any] | str:
    """Point, box or mask of a region, as ``add_object`` takes it; or what is wrong with it."""
    if "rle" in entry:
        mask = _brush(entry, int(width), int(height))
        return mask if isinstance(mask, str) else {"mask": mask}
    if "points" in entry:
        value = entry["points"]
        pairs = [parse_pair(pair) for pair in value] if isinstance(value, list) else []
        points = [(x / 100 * width, y / 100 * height) for x, y in filter(None, pairs)]
        ring = parse_ring(points) if len(points) == len(pairs) else None
        if ring is None or entry.get("closed") is False:
            return "is not a closed polygon of 3 or more points"
        return {"mask": Outline.of_rings([ring])}
    x, y = parse_number(entry.get("x")), parse_number(entry.get("y"))
    if x is None or y is None:
        return f"is not {ACCEPTED}: x and y are not two numbers"
    x, y = x / 100 * width, y / 100 * height
    turn = parse_number(entry.get("rotation", 0))
    if "radiusX" in entry or "radiusY" in entry:
        radii = [parse_number(entry.get(key)) for key in ("radiusX", "radiusY")]
        if turn is None or None in radii or min(filter(None, radii), default=0) < 0:
            return "is not an ellipse of radiusX, radiusY and rotation"
        rx, ry = (radius or 0 for radius in radii)
        ring = ellipse_ring(x, y, rx / 100 * width, ry / 100 * height, turn)
        return {"mask": Outline.of_rings([ring])}
    if "height" in entry or "rectanglelabels" in entry:
        sides = [parse_number(entry.get(key)) for key in ("width", "height")]
        if turn is None or None in sides or min(filter(None, sides), default=0) < 0:
            return "is not a rectangle of x, y, width, height and rotation"
        across, down = (side or 0 for side in sides)
        return {"box": _box(x, y, across / 100 * width, down / 100 * height, turn)}
    return {"point": (x, y)}


def _box(x: float, y: float, across: float, down: float, degrees: float) -> Box:
    """What encloses a rectangle that is turned about its first corner, clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if degrees == 0:
        return x, y, x + across, y + down
    corners = [(a * cos - b * sin, a * sin + b * cos) for a in (0, across) for b in (0, down)]
    xs, ys = zip(*corners, strict=True)
    return x + min(xs), y + min(ys), x + max(xs), y + max(ys)


def _brush(entry: dict[str, Any], width: int, height: int) -> Coded | str:
    """A brush: run lengths of RGBA pixels; those that are not transparent belong to it."""
    codes = entry["rle"]
    if entry.get("format", "rle") != "rle" or not (
        isinstance(codes, list) and all(type(c) is int and 0 <= c < 256 for c in codes)
    ):
        return "is not a brush of run lengths (numbers from 0 to 255)"
    # The first 32 bits are the number of values, which is checked before they are made.
    stated = int.from_bytes(bytes(codes[:4]), "big")
    if stated != 4 * width * height or width * height > MAX_PIXELS:
        return f"is a brush of {stated} values; 4 x {width} x {height} are expected"
    try:
        from label_studio_sdk.converter.brush import decode_rle
    except ImportError as error:
        return missing_library("brushes", "label-studio", error)
    try:
        values = decode_rle(bytes(codes))
    except (IndexError, ValueError):
        return "is a brush whose run lengths are damaged"
    return Coded(encode_mask(values.reshape(height, width, 4)[:, :, 3] > 0))
