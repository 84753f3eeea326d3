"""Pascal VOC's XML: a file per image, with boxes (from LabelImg and many others).

VOC counts pixels from 1 and boxes include their last pixel: <xmin>1</xmin><xmax>10</xmax> covers
the pixels 0 to 9. An object with a <polygon> (x1, y1, x2, ... as supervision and Roboflow write
it; moved by one like the boxes) is a mask, one with a <point> a click; <part> is skipped.

Source: the development kit of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
"""

from pathlib import Path

from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    list_files,
    other_name_mistake,
    parse_number,
)
from bestie.formats.labels.objects import Box, Place, add_object
from bestie.formats.labels.shapes import Outline, Ring, parse_flat_ring
from bestie.formats.labels.xml_tree import Element, read_xml

__all__ = ["read_voc"]


def read_voc(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read an XML of VOC, or all of a folder; see the module."""
    files = list_files(path, (".xml",)) if path.is_dir() else [path]
    for file in files:
        root = read_xml(file, labels)
        if root is None:
            continue
        image = root.child_text("filename")
        if root.tag != "annotation" or not image:
            message = "is not an <annotation> with one <filename>; VOC's xml is expected"
            labels.report(message, file, root.line)
            continue
        _read_image(root, image, file, labels, options)


def _read_image(
    root: Element, image: str, path: Path, labels: Labels, options: ReadOptions
) -> None:
    # Some tools write the name of the original photo: it must be the xml's own, as it is in VOC.
    if mistake := other_name_mistake(image, path):
        labels.report(mistake, path)
        return
    for size in root.all("size"):
        height, width = (size.child_text(side) for side in ("height", "width"))
        labels.add_size(image, height, width, path, size.line)
    beside = (path.parent / image,)
    labels.add(image, (), None, path, None, beside)
    for number, element in enumerate(root.all("object"), 1):
        place = Place(image, path, element.line, beside, f"object {number}")
        name = element.child_text("name") or ""
        box, ring, point = _box(element), _ring(element), _point(element)
        if isinstance(box, str) or isinstance(ring, str) or isinstance(point, str):
            mistake = next(found for found in (box, ring, point) if isinstance(found, str))
            place.report(mistake, labels)
        elif box is ring is point is None:
            place.report("has no bndbox, polygon or point", labels)
        else:
            mask = None if ring is None else Outline.of_rings([ring])
            add_object(labels, options, place, name, point=point, box=box, mask=mask)


def _box(element: Element) -> Box | str | None:
    boxes = list(element.all("bndbox"))
    if not boxes:
        return None
    sides = [parse_number(boxes[0].child_text(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
    numbers = [side for side in sides if side is not None]
    if len(boxes) > 1 or len(numbers) < 4 or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        return "has a bndbox that is not xmin, ymin, xmax, ymax of numbers"
    left, top, right, bottom = numbers
    return left - 1, top - 1, right, bottom


def _point(element: Element) -> tuple[float, float] | str | None:
    points = list(element.all("point"))
    if not points:
        return None
    x, y = (parse_number(points[0].child_text(side)) for side in "xy")
    if len(points) > 1 or x is None or y is None:
        return "has a point that is not x, y of numbers"
    return x - 1, y - 1


def _ring(element: Element) -> Ring | str | None:
    polygons = list(element.all("polygon"))
    if not polygons:
        return None
    found = {child.tag: parse_number(child.text) for child in polygons[0].children}
    count = len(found) // 2
    values = [found.get(f"{side}{i}") for i in range(1, count + 1) for side in "xy"]
    ring = parse_flat_ring(values)
    if len(polygons) > 1 or len(found) != len(polygons[0].children) or ring is None:
        return "has a polygon that is not x1, y1, x2, y2, ... of 3 or more points"
    return tuple((x - 1, y - 1) for x, y in ring)
