"""A small file of each format, how it is written, and what it holds by a much simpler reading.

A reading checks nothing: it raises, or gives (image, class, what, where) of each object, where is
(x, y) of a click, the rings of a mask, or None.
"""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.formats.labels.mutation_json import (
    COCO,
    COCO_MASKS,
    LABELME,
    LABELME_MASKS,
    QUPATH,
    STUDIO,
    STUDIO_CSV,
    VIA,
    VIA_CSV,
    coco_objects,
    labelme_objects,
    name,
    number,
    pair,
    qupath_objects,
    ring,
    studio_csv_objects,
    studio_objects,
    via_csv_objects,
    via_objects,
)

# ---- tables

TABLE = [["image", "x", "y", "class"], ["1.png", "3", "4", "cat"], ["2.png", "5.5", "6", "dog"]]
NAPARI = [
    ["index", "axis-0", "axis-1", "label"],
    ["0", "4", "3", "cat"],
    ["1", "6.5", "5.5", "dog"],
]


def table_objects(content):
    for image, x, y, label in (map(str.strip, row[:4]) for row in content[1:]):
        if x or y or label:
            yield image, label, "click", (number(x), number(y))


def napari_objects(content):
    for _, y, x, label in (map(str.strip, row) for row in content[1:]):
        if _ or x or y or label:
            yield "1", label, "click", (number(x) + 0.5, number(y) + 0.5)


# ---- XML: [tag, attributes, text or children]

CVAT = [
    "annotations",
    {},
    [
        [
            "image",
            {"id": "0", "name": "1.png", "width": "64", "height": "48"},
            [
                ["points", {"label": "cat", "points": "3.00,4.50"}, []],
                ["polygon", {"label": "dog", "points": "1,1;9.5,1;9,9"}, []],
                ["tag", {"label": "cat"}, []],
                [
                    "skeleton",
                    {"label": "dog"},
                    [
                        ["points", {"label": "a", "outside": "1", "points": "1,1"}, []],
                        ["points", {"label": "b", "outside": "0", "points": "6,7"}, []],
                    ],
                ],
            ],
        ]
    ],
]
BOX = [
    [side, {}, text] for side, text in zip(("xmin", "ymin", "xmax", "ymax"), "2356", strict=True)
]
VOC = [
    "annotation",
    {},
    [
        ["filename", {}, "1.png"],
        ["size", {}, [["width", {}, "64"], ["height", {}, "48"]]],
        ["object", {}, [["name", {}, "cat"], ["bndbox", {}, BOX]]],
        ["object", {}, [["name", {}, "dog"], ["point", {}, [["x", {}, "4"], ["y", {}, "5.5"]]]]],
    ],
]


def xml_text(content):
    return ElementTree.tostring(as_element(content), encoding="unicode")


def as_element(content):
    tag, attributes, inside = content
    element = ElementTree.Element(tag, attributes)
    if isinstance(inside, str):
        element.text = inside
    else:
        element.extend(map(as_element, inside))
    return element


def points_of(text):
    return tuple(pair(part.split(",")) for part in text.split(";"))


def cvat_objects(content):
    for tag, fields, children in content[2]:
        if tag != "image":
            continue
        image = fields["name"]
        for kind, shape, inside in children:
            label = name(shape["label"])
            if kind == "points":
                yield image, label, "click", points_of(shape["points"])[0]
            elif kind == "polygon":
                yield image, label, "mask", ((points_of(shape["points"]),),)
            elif kind == "tag":
                yield image, label, "tag", None
            else:
                seen = [a for t, a, _ in inside if t == "points" and a.get("outside") != "1"]
                places = [points_of(a["points"])[0] for a in seen]
                yield image, label, *(("click", places[0]) if places else ("object", None))


def child(children, tag):
    return next(inside for kind, _, inside in children if kind == tag)


def voc_objects(content):
    image = child(content[2], "filename").strip()
    for tag, _, inside in content[2]:
        if tag == "object":
            label, kinds = name(child(inside, "name")), [kind for kind, _, _ in inside]
            if "point" in kinds:
                point = child(inside, "point")
                place = number(child(point, "x")) - 1, number(child(point, "y")) - 1
                yield image, label, "click", place
            else:
                yield image, label, "object", None


# ---- YOLO

YOLO = {
    "names": ["cat", "dog"],
    "lines": [["0", "0.5", "0.5", "0.1", "0.2"], ["1", "0.1", "0.1", "0.9", "0.1", "0.9", "0.8"]],
}


def yolo_objects(content):
    for fields in content["lines"]:
        fields = " ".join(fields).split()
        if not fields:
            continue
        label = name(content["names"][int(fields[0])])
        values = list(map(number, fields[1:]))
        if len(values) == 4:
            yield "1", label, "object", None
        else:
            yield "1", label, "mask", ((ring(zip(values[::2], values[1::2], strict=True)),),)


# ---- ImageJ: fields of each ROI

IMAGEJ = [
    {"kind": 10, "left": 3, "top": 4, "right": 11, "bottom": 7, "points": [[3, 4], [10, 6]]},
    {"kind": 0, "left": 2, "top": 3, "right": 8, "bottom": 9, "points": [[2, 3], [8, 3], [8, 9]]},
]


def roi_bytes(roi):
    kind, points = roi["kind"], roi["points"]
    box = roi["top"], roi["left"], roi["bottom"], roi["right"]
    head = b"Iout" + struct.pack(">hBxhhhhH", 217, kind, *box, len(points))
    offsets = [x - roi["left"] for x, _ in points] + [y - roi["top"] for _, y in points]
    return head.ljust(64, b"\0") + struct.pack(f">{len(offsets)}h", *offsets)


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for index, roi in enumerate(content):
            archive.writestr(f"cell-x{index}.roi", roi_bytes(roi))


def imagej_objects(content):
    for index, roi in enumerate(content):
        label, left, top = f"cell-x{index}", roi["left"], roi["top"]
        # roifile reads offsets as unsigned: a point left of its box leaves the image on the right.
        points = [((x - left) % 65536 + left, (y - top) % 65536 + top) for x, y in roi["points"]]
        if roi["kind"] == 10:
            for point in points:
                yield "1", label, "click", pair(point)
        elif roi["kind"] in (0, 7, 8):
            yield "1", label, "mask", ((ring(points),),)
        elif roi["kind"] == 1:
            yield "1", label, "object", None
        else:  # an oval, by its box
            sides = roi["left"], roi["top"], roi["right"], roi["bottom"]
            yield "1", label, "mask", tuple(map(number, sides))


# ---- how each is written


def write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def table_text(rows: list[list[str]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    return file.getvalue()


def write_studio_csv(path, content):
    row = [*content["row"][:4], json.dumps(content["cell"]), content["row"][5]]
    write_text(path, table_text([content["heading"], row]))


def write_via_csv(path, content):
    headings = list(VIA_CSV["rows"][0])
    rows = [[row.get(heading, "") for heading in headings] for row in content["rows"]]
    write_text(path, table_text([headings, *rows]))


def write_yolo(path, content):
    (path.parent / "data.yaml").write_text(json.dumps({"names": content["names"]}))
    write_text(path, "\n".join(map(" ".join, content["lines"])) + "\n")


@dataclass(frozen=True)
class Case:
    """A format under mutation.

    Attributes:
        format: of the registry.
        file: name that it is written under.
        example: what is changed.
        write: writes it.
        objects: the independent reading.
        values: "json", "text" or "integer": what a value is replaced by.
        inside: first keys of the places that change; (): all.
    """

    format: str
    file: str
    example: Any
    write: Callable[[Path, Any], None]
    objects: Callable
    values: str = "json"
    inside: tuple = field(default=())


def as_json(path, content):
    write_text(path, json.dumps(content))


CASES = {
    "coco": Case("coco", "1.json", COCO, as_json, coco_objects),
    "coco masks": Case("coco", "1.json", COCO_MASKS, as_json, coco_objects),
    "labelme": Case("labelme", "1.json", LABELME, as_json, labelme_objects),
    "labelme masks": Case("labelme", "1.json", LABELME_MASKS, as_json, labelme_objects),
    "label studio csv": Case(
        "label-studio", "1.csv", STUDIO_CSV, write_studio_csv, studio_csv_objects, inside=("cell",)
    ),
    "label studio": Case("label-studio", "1.json", STUDIO, as_json, studio_objects),
    "via": Case("via", "1.json", VIA, as_json, via_objects),
    "via csv": Case("via", "1.csv", VIA_CSV, write_via_csv, via_csv_objects, "text"),
    "csv": Case(
        "csv",
        "1.csv",
        TABLE,
        lambda path, rows: write_text(path, table_text(rows)),
        table_objects,
        "text",
        (1, 2),
    ),
    "napari": Case(
        "napari",
        "1.csv",
        NAPARI,
        lambda path, rows: write_text(path, table_text(rows)),
        napari_objects,
        "text",
        (1, 2),
    ),
    "qupath": Case("qupath", "1.geojson", QUPATH, as_json, qupath_objects),
    "cvat": Case(
        "cvat", "1.xml", CVAT, lambda p, c: write_text(p, xml_text(c)), cvat_objects, "text"
    ),
    "voc": Case("voc", "1.xml", VOC, lambda p, c: write_text(p, xml_text(c)), voc_objects, "text"),
    "yolo": Case("yolo", "1.txt", YOLO, write_yolo, yolo_objects, "text"),
    "imagej": Case("imagej", "1.zip", IMAGEJ, write_zip, imagej_objects, "integer"),
}
