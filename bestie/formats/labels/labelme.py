"""LabelMe: a json beside each image.

Points are clicks; polygons, circles and masks are masks; rectangles are boxes; flags of the image
can be tags. Shapes of one label and one group (``group_id``) are one object, as LabelMe's own
export of instances has it. A mask covers the pixels from its first corner to its second one, both
included.
"""

import base64
import binascii
import io
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bestie.formats.images import DECODING_ERRORS
from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    list_files,
    name_mistake,
    other_name_mistake,
    parse_pair,
    read_json,
    table_of,
)
from bestie.formats.labels.objects import Box, Place, add_object, choose_point
from bestie.formats.labels.shapes import Bitmap, Outline, Ring, Shape, ellipse_ring, parse_ring

__all__ = ["read_labelme"]

# Names that LabelMe gives a meaning of its own.
OWN_LABELS = ("__ignore__", "_background_")
KINDS = "points, polygons, rectangles, circles and masks are read"


@dataclass(frozen=True)
class _Shape:
    """One shape: a point, a box, a ring or a bitmap."""

    point: tuple[float, float] | None = None
    box: Box | None = None
    ring: Ring | None = None
    bitmap: Bitmap | None = None


def read_labelme(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a json of LabelMe, or all of a folder; see the module."""
    files = list_files(path, (".json",)) if path.is_dir() else [path]
    if not files:
        labels.report("holds no .json file", path)
    flagged: list[Path] = []
    for file in files:
        content = read_json(file, labels)
        if content is not None and _read_file(content, file, labels, options):
            flagged.append(file)
    if flagged and any(row.is_object for row in labels.rows):
        labels.notes.append(f"flags of {len(flagged)} images are not used (--flags-are-tags)")
    elif flagged:
        message = "has no shapes, only flags; give --flags-are-tags if the flags are tags"
        labels.report(message, flagged[0])


def _read_file(content: Any, path: Path, labels: Labels, options: ReadOptions) -> bool:
    """Read one json; whether it has flags that are not used."""
    shapes = table_of(content, "shapes") if isinstance(content, dict) else None
    if shapes is None or not isinstance(content.get("imagePath"), str):
        message = "has no imagePath or no list of shapes; LabelMe's json is expected"
        labels.report(message, path)
        return False
    flags = content.get("flags") or {}
    if not isinstance(flags, dict) or not all(isinstance(v, bool) for v in flags.values()):
        labels.report("its flags are not an object of name: true or false", path)
        return False
    # LabelMe on Windows writes backslashes; the path is relative to the json.
    image = content["imagePath"].replace("\\", "/")
    if "\0" in image or not image.strip("/. "):
        labels.report(f"its imagePath {ascii(image)} is not the name of a file", path)
        return False
    if mistake := other_name_mistake(image, path):  # a copy for another photo, most likely
        labels.report(mistake, path)
        return False
    beside = (path.parent / image, path.parent / Path(image).name)
    labels.add_size(image, content.get("imageHeight"), content.get("imageWidth"), path)
    tags = tuple(name for name, is_set in flags.items() if is_set)
    labels.add(image, tags if options.flags_are_tags else (), None, path, None, beside)
    _read_shapes(shapes, Place(image, path, None, beside), labels, options)
    return bool(tags) and not options.flags_are_tags


def _read_shapes(
    shapes: list[dict[str, Any]], place: Place, labels: Labels, options: ReadOptions
) -> None:
    """Add the objects of an image: single shapes, and groups of shapes of one label."""
    groups: dict[Any, list[tuple[int, _Shape]]] = defaultdict(list)
    names: dict[Any, str] = {}
    for number, entry in enumerate(shapes, 1):
        here, label, group = place.at(f"shape {number}"), entry.get("label"), entry.get("group_id")
        shape = _parse(entry)
        if mistake := name_mistake(label):
            here.report(f"has no label: {mistake}", labels)
        elif label in OWN_LABELS:
            message = f"has the label {label}, which LabelMe keeps for itself; remove the shape"
            here.report(message, labels)
        elif isinstance(shape, str):
            here.report(shape, labels)
        elif group is not None and type(group) is not int:
            here.report(f"has a group_id that is not an integer: {ascii(group)[:40]}", labels)
        else:
            key = ("shape", number) if group is None else (label, group)
            groups[key].append((number, shape))
            names[key] = str(label)
    for key, members in groups.items():
        numbers = ", ".join(str(number) for number, _ in members)
        here = place.at(f"shape{'s' * (len(members) > 1)} {numbers}")
        _add_group([shape for _, shape in members], names[key], here, labels, options)


def _add_group(
    shapes: list[_Shape], name: str, place: Place, labels: Labels, options: ReadOptions
) -> None:
    points = [shape.point for shape in shapes if shape.point is not None]
    boxes = [shape.box for shape in shapes if shape.box is not None]
    rings = [shape.ring for shape in shapes if shape.ring is not None]
    bitmaps = [shape.bitmap for shape in shapes if shape.bitmap is not None]
    labels.has_choice |= len(points) > 1
    point = choose_point(points, options) if points else None
    if isinstance(point, str):
        place.report(point, labels)
    elif len(boxes) > 1 or len(bitmaps) > 1 or (bitmaps and rings):
        message = "are one group of several boxes or masks; one per object is expected"
        place.report(message, labels)
    else:
        mask: Shape | None = bitmaps[0] if bitmaps else None
        mask = Outline.of_rings(rings) if rings else mask
        box = boxes[0] if boxes else None
        add_object(labels, options, place, name, point=point, box=box, mask=mask)


def _parse(entry: dict[str, Any]) -> _Shape | str:
    """A shape, or what is wrong with it."""
    kind, points = entry.get("shape_type"), entry.get("points")
    pairs = [parse_pair(point) for point in points] if isinstance(points, list) else [None]
    corners = [pair for pair in pairs if pair is not None]
    if len(corners) < len(pairs):
        corners = []
    if kind == "point":
        accepted = len(corners) == 1
        return _Shape(point=corners[0]) if accepted else "is not a single point of two numbers"
    if kind in ("rectangle", "oriented_rectangle"):
        if len(corners) != (2 if kind == "rectangle" else 4):
            return f"is a {kind} without {'two' if kind == 'rectangle' else 'four'} corners"
        x, y = zip(*corners, strict=True)
        return _Shape(box=(min(x), min(y), max(x), max(y)))
    if kind == "polygon":
        ring = parse_ring(points)
        return _Shape(ring=ring) if ring else "is not a polygon of 3 or more points of two numbers"
    if kind == "circle":
        if len(corners) != 2:
            return "is a circle without center and one point on it"
        radius = math.dist(*corners)
        return _Shape(ring=ellipse_ring(*corners[0], radius, radius))
    if kind == "mask":
        return _parse_mask(corners, entry.get("mask"))
    return f"is a {ascii(kind)[:40]}; {KINDS}"


def _parse_mask(corners: list[tuple[float, float]], text: Any) -> _Shape | str:
    """A mask: an image as base64, and the first and last pixel that it covers."""
    if len(corners) != 2 or not all(side == int(side) for corner in corners for side in corner):
        return "is a mask without two corners of two integers"
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            pixels = np.array(image.convert("L")) > 0
    except (TypeError, binascii.Error, *DECODING_ERRORS):
        return "has a mask that is not an image as base64"
    (left, top), (right, bottom) = corners
    if pixels.shape != (bottom - top + 1, right - left + 1):
        found = f"{pixels.shape[0]} x {pixels.shape[1]} (height x width)"
        return f"has a mask of {found}, which its two corners do not enclose"
    return _Shape(bitmap=Bitmap(pixels, int(left), int(top)))
