"""CVAT: ``annotations.xml`` in the format "CVAT for images 1.1", and ``images/``.

Every part of an object is a polygon; the parts of one object share a ``group_id``. A task of these
images takes the xml with "Upload annotations" if it has the labels that ``labels.json`` lists (for
the field "Raw" of CVAT's form of labels).
"""

import json
from xml.sax.saxutils import XMLGenerator

from bestie.formats.base import atomic_write
from bestie.formats.export.base import LabelledImage, LabelSet, Package, points_of
from bestie.progress import track

__all__ = ["write_cvat"]


def write_cvat(labels: LabelSet, package: Package) -> None:
    """Fill a package."""
    form = [{"name": name, "attributes": []} for name in labels.class_names]
    package.write_text("labels.json", json.dumps(form, ensure_ascii=False, indent=1))
    with atomic_write(package.folder / "annotations.xml") as file:
        xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement("annotations", {})
        _write_element(xml, "version", "1.1")
        _write_meta(xml, labels)
        group = 0
        for number, image in enumerate(track(labels.images, "images")):
            height, width = image.size
            sides = {"width": str(width), "height": str(height)}
            xml.startElement("image", {"id": str(number), "name": image.name} | sides)
            group = _write_objects(xml, image, labels.class_names, package, group)
            xml.endElement("image")
            xml.characters("\n")
            package.put_photo(image, f"images/{image.name}")
        xml.endElement("annotations")
        xml.endDocument()


def _write_meta(xml: XMLGenerator, labels: LabelSet) -> None:
    for tag in ("meta", "task"):
        xml.startElement(tag, {})
    _write_element(xml, "size", str(len(labels.images)))
    xml.startElement("labels", {})
    for name in labels.class_names:
        xml.startElement("label", {})
        _write_element(xml, "name", name)
        _write_element(xml, "attributes", "")
        xml.endElement("label")
    for tag in ("labels", "task", "meta"):
        xml.endElement(tag)
    xml.characters("\n")


def _write_element(xml: XMLGenerator, tag: str, text: str) -> None:
    xml.startElement(tag, {})
    xml.characters(text)
    xml.endElement(tag)


def _write_objects(
    xml: XMLGenerator, image: LabelledImage, class_names: list[str], package: Package, group: int
) -> int:
    """Write the polygons of an image; the number of the last group."""
    for order, item in enumerate(image.objects):
        polygons = package.polygons(item)
        group += len(polygons) > 1
        for polygon in polygons:
            attributes = {
                "label": class_names[item.class_id],
                "source": "manual" if item.score is None else "auto",
                "occluded": "0",
                "points": ";".join(f"{x:.2f},{y:.2f}" for x, y in points_of(polygon)),
                "z_order": str(order),
            }
            if len(polygons) > 1:
                attributes["group_id"] = str(group)
            xml.startElement("polygon", attributes)
            xml.endElement("polygon")
    return group
