"""CVAT's own XML ("CVAT for images 1.1").

Points and skeletons are clicks (of several points, ``ReadOptions.keypoints`` chooses one; points
of a skeleton that are outside do not count); polygons, ellipses and masks are masks; boxes, turned
ones too, are boxes; tags are tags. Coordinates are pixels from the top left corner. The run
lengths of a mask count its box row by row and begin with zeros.

Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from itertools import accumulate
from pathlib import Path

import numpy as np

from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    list_files,
    parse_number,
    parse_pair,
)
from bestie.formats.labels.objects import Place, add_object, choose_point
from bestie.formats.labels.shapes import (
    MAX_PIXELS,
    Bitmap,
    Outline,
    Shape,
    ellipse_ring,
    parse_ring,
)
from bestie.formats.labels.xml_tree import Element, read_xml

__all__ = ["read_cvat"]


def read_cvat(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read an XML of CVAT, or all of a folder; see the module."""
    files = list_files(path, (".xml",)) if path.is_dir() else [path]
    for file in files:
        root = read_xml(file, labels)
        if root is None:
            continue
        if root.tag != "annotations":
            message = f"is an xml of <{root.tag}>; CVAT for images (<annotations>) is expected"
            labels.report(message, file, root.line)
        lines: dict[str, int] = {}
        for element in root.children if root.tag == "annotations" else []:
            if element.tag == "track":
                message = "holds tracks of a video; export the frames as CVAT for images"
                labels.report(message, file, element.line)
            elif element.tag == "image":
                name = element.attributes.get("name", "")
                if name in lines:
                    message = f"image '{name}' stands on line {lines[name]}, too"
                    labels.report(message, file, element.line)
                lines[name] = element.line
                _read_image(element, file, labels, options)


def _read_image(element: Element, path: Path, labels: Labels, options: ReadOptions) -> None:
    name = element.attributes.get("name", "")
    if not name.strip():
        labels.report("image without a name", path, element.line)
        return
    height, width = (element.attributes.get(side) for side in ("height", "width"))
    labels.add_size(name, height, width, path, element.line)
    labels.add(name, (), None, path, element.line)
    for child in element.children:
        place = Place(name, path, child.line, where=child.tag)
        if child.tag == "tag":
            labels.add(name, (child.attributes.get("label", ""),), None, path, child.line)
        else:
            _read_shape(child, place, labels, options)


def _read_shape(element: Element, place: Place, labels: Labels, options: ReadOptions) -> None:
    label = element.attributes.get("label", "")
    if element.tag in ("points", "skeleton"):
        points = _keypoints(element)
        names = [child.attributes.get("label", "") for child in element.all("points")]
        labels.has_choice |= len(names) > 1 or (isinstance(points, dict) and len(points) > 1)
        if points == {}:
            message = "the skeleton has no visible point and gives no click"
            labels.notes.append(f"{place.file.name}, line {element.line}: {message}")
            labels.add(place.image, (label,), None, place.file, place.line, is_object=True)
            return
        point = points if isinstance(points, str) else _choose(points, names, options)
        if point is None:
            message = f"the point {options.keypoints} of the skeleton is not visible: no click"
            labels.notes.append(f"{place.file.name}, line {element.line}: {message}")
            labels.add(place.image, (label,), None, place.file, place.line, is_object=True)
        elif isinstance(point, str):
            place.report(point, labels)
        else:
            add_object(labels, options, place, label, point=point)
    elif element.tag == "box":
        box = _numbers(element, "xtl", "ytl", "xbr", "ybr")
        if box is None or box[0] > box[2] or box[1] > box[3]:
            place.report("is not xtl, ytl, xbr, ybr of numbers", labels)
        else:
            # A turned box (rotation) keeps its middle.
            add_object(labels, options, place, label, box=(box[0], box[1], box[2], box[3]))
    else:
        mask = _mask(element)
        if isinstance(mask, str):
            place.report(mask, labels)
        else:
            add_object(labels, options, place, label, mask=mask)


def _keypoints(element: Element) -> dict[str, tuple[float, float]] | str:
    """Name (of a skeleton's point, else its number) -> point that is visible; or what is wrong."""
    if element.tag == "points":
        points = _pairs(element.attributes.get("points"))
        if points is None:
            return "has no points x,y;x,y of numbers"
        return {str(number): point for number, point in enumerate(points, 1)}
    found: dict[str, tuple[float, float]] = {}
    for child in element.all("points"):
        if child.attributes.get("outside") == "1":
            continue
        pair, name = _pairs(child.attributes.get("points")), child.attributes.get("label", "")
        if pair is None or len(pair) != 1 or name in found:
            return f"has a point {ascii(name)} twice, or without one x,y of numbers"
        found[name] = pair[0]
    return found


def _choose(
    points: dict[str, tuple[float, float]], names: list[str], options: ReadOptions
) -> tuple[float, float] | str | None:
    """The click of an object; what is wrong; None: the point that is asked for is not visible.

    Args:
        points: those that are visible, by name.
        names: of all points of a skeleton; none: the points have no names.
        options: what is asked for.
    """
    choice = options.keypoints
    if len(names) > 1 and choice not in (None, "first", "mean"):
        if choice not in names:
            accepted = ", ".join(["first", "mean", *names])
            return f"--keypoints {choice} is not a point of the skeleton; accepted: {accepted}"
        return points.get(choice)
    return choose_point(list(points.values()), options)


def _mask(element: Element) -> Shape | str:
    if element.tag == "polygon":
        pairs = _pairs(element.attributes.get("points"))
        ring = None if pairs is None else parse_ring(pairs)
        return "is not 3 or more points x,y;x,y" if ring is None else Outline.of_rings([ring])
    if element.tag == "ellipse":
        numbers = _numbers(element, "cx", "cy", "rx", "ry")
        turn = parse_number(element.attributes.get("rotation", "0"))
        if numbers is None or turn is None or min(numbers[2:]) < 0:
            return "is not cx, cy, rx, ry of numbers"
        cx, cy, rx, ry = numbers
        return Outline.of_rings([ellipse_ring(cx, cy, rx, ry, turn)])
    if element.tag == "mask":
        return _bitmap(element)
    return "is not read; points, skeletons, tags, polygons, ellipses, masks and boxes are"


def _bitmap(element: Element) -> Bitmap | str:
    """A mask from run lengths over its box, row by row, zeros first."""
    sides = _numbers(element, "left", "top", "width", "height")
    texts = element.attributes.get("rle", "").split(",")
    counts = [number for text in texts if (number := parse_number(text)) is not None]
    integers = [*counts, *(sides or [0.5])]
    if len(counts) < len(texts) or not all(n == int(n) >= 0 for n in integers):
        return "is not rle, left, top, width, height of integers"
    left, top, width, height = map(int, sides or [])
    if sum(counts) != width * height or width * height > MAX_PIXELS:
        return f"has an rle of {sum(counts):.0f} pixels for a box of {width} x {height}"
    pixels = np.zeros(width * height, bool)
    ends = list(accumulate(map(int, counts)))
    for begin, end in zip(ends[::2], ends[1::2], strict=False):
        pixels[begin:end] = True
    return Bitmap(pixels.reshape(height, width), left, top)


def _numbers(element: Element, *names: str) -> list[float] | None:
    found = [parse_number(element.attributes.get(name)) for name in names]
    numbers = [number for number in found if number is not None]
    return numbers if len(numbers) == len(names) else None


def _pairs(text: str | None) -> list[tuple[float, float]] | None:
    """Points "x,y;x,y"."""
    pairs = [pair.split(",") for pair in (text or "").split(";")]
    points = [parse_pair(pair) for pair in pairs]
    found = [point for point in points if point is not None]
    return found if len(found) == len(points) else None
