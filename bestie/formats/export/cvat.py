"""CVAT: ``annotations.xml`` in the format "CVAT for images 1.1", and ``images/``.

An object of one part without holes is a polygon; others are masks (the pixels of their box), which
CVAT edits with its brush. A task of these images takes the xml with "Upload annotations" if it has
the labels that ``labels.json`` lists (for the field "Raw" of CVAT's form of labels).
"""

import json
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

from bestie.formats.base import atomic_write
from bestie.formats.export.base import (
    LabelledImage,
    LabelledObject,
    LabelSet,
    Package,
    points_of,
)
from bestie.formats.polygons import has_holes, mask_polygons
from bestie.progress import track

__all__ = ["write_cvat"]


def write_cvat(labels: LabelSet, package: Package) -> None:
    """Fill a package."""
    form = [{"name": name, "attributes": []} for name in labels.class_names]
    package.write_text("labels.json", json.dumps(form, ensure_ascii=False, indent=1))
    with atomic_write(package.folder / "annotations.xml") as file:
        xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
        xml.startDocument()
        _start(xml, "annotations")
        _write_element(xml, "version", "1.1")
        _write_meta(xml, labels)
        for number, image in enumerate(track(labels.images, "images")):
            height, width = image.size
            sides = {"width": str(width), "height": str(height)}
            _start(xml, "image", {"id": str(number), "name": image.name} | sides)
            _write_objects(xml, image, labels.class_names, package)
            xml.endElement("image")
            xml.characters("\n")
            package.put_photo(image, f"images/{image.name}")
        xml.endElement("annotations")
        xml.endDocument()


def _start(xml: XMLGenerator, tag: str, attributes: dict[str, str] | None = None) -> None:
    xml.startElement(tag, AttributesImpl(attributes or {}))


def _write_meta(xml: XMLGenerator, labels: LabelSet) -> None:
    for tag in ("meta", "task"):
        _start(xml, tag)
    _write_element(xml, "size", str(len(labels.images)))
    _start(xml, "labels")
    for name in labels.class_names:
        _start(xml, "label")
        _write_element(xml, "name", name)
        _write_element(xml, "attributes", "")
        xml.endElement("label")
    for tag in ("labels", "task", "meta"):
        xml.endElement(tag)
    xml.characters("\n")


def _write_element(xml: XMLGenerator, tag: str, text: str) -> None:
    _start(xml, tag)
    xml.characters(text)
    xml.endElement(tag)


def _write_objects(
    xml: XMLGenerator, image: LabelledImage, class_names: list[str], package: Package
) -> None:
    for order, item in enumerate(image.objects):
        shape = _shape(item, package)
        if shape is None:
            continue
        tag, geometry = shape
        attributes = {
            "label": class_names[item.class_id],
            "source": "manual" if item.score is None else "auto",
            "occluded": "0",
            "z_order": str(order),
        }
        _start(xml, tag, attributes | geometry)
        xml.endElement(tag)


def _shape(item: LabelledObject, package: Package) -> tuple[str, dict[str, str]] | None:
    """Tag and attributes of an object's geometry; None: it has no pixel."""
    mask = item.mask
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        package.note_empty()
        return None
    polygons = mask_polygons(mask, package.options.tolerance)
    if len(polygons) == 1 and not has_holes(mask):
        return "polygon", {
            "points": ";".join(f"{x:.2f},{y:.2f}" for x, y in points_of(polygons[0]))
        }
    package.notes["objects have holes or several parts: written as masks, not polygons"] += 1
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = {"left": columns[0], "top": rows[0], "width": window.shape[1], "height": window.shape[0]}
    runs = ", ".join(map(str, _runs(window.reshape(-1))))
    return "mask", {"rle": runs} | {name: str(side) for name, side in box.items()}


def _runs(pixels: np.ndarray) -> list[int]:
    """Lengths of the runs of (P,) bool, zeros first (0 if it begins with ones)."""
    ends = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(ends, prepend=0, append=len(pixels)).tolist()
    return [0, *lengths] if pixels[0] else lengths
