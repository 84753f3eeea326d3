"""VGG Image Annotator (VIA 1 and 2): its annotations as CSV or json, and its project json.

Points are clicks; polygons, circles and ellipses are masks; rectangles are boxes. The class of a
region is the attribute of a usual name (class, label, ...), or the only one that the regions of the
file have, or the one that ``ReadOptions.attribute`` names; a file attribute of that name is a tag.
VIA draws on pixels of the image from its top left corner.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/docs/ and the files that VIA 2.0.12 writes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bestie.formats.labels.base import Labels, ReadOptions, parse_numbers, read_json
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.rows import read_rows
from bestie.formats.labels.shapes import Outline, ellipse_ring, parse_ring
from bestie.formats.labels.table import CLASS_HEADINGS

__all__ = ["read_via"]

# An image: where it stands and its file_attributes.
File = tuple[Place, dict[str, Any]]
# A region: where it stands, its shape_attributes and its region_attributes.
Region = tuple[Place, dict[str, Any], dict[str, Any]]
COLUMNS = ("filename", "region_count", "region_shape_attributes", "region_attributes")
PROJECT_KEY = "_via_img_metadata"


def read_via(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a CSV or json of VIA; see the module."""
    is_csv = path.suffix.lower() == ".csv"
    read = _read_csv if is_csv else _read_json
    files, regions = read(path, labels)
    mistake = None if labels.problems else _attribute_mistake(files, regions, options)
    if mistake:
        labels.report(mistake, path)
        return
    for place, of_file in files:
        _add_file(place, of_file, labels, options)
    _add_regions(path, regions, labels, options)


def _attribute_mistake(
    files: Sequence[File], regions: Sequence[Region], options: ReadOptions
) -> str | None:
    """Why ``options.attribute`` cannot be the class: nothing has it."""
    known = dict.fromkeys(name for *_, attributes in regions for name in attributes)
    known = known or dict.fromkeys(name for _, attributes in files for name in attributes)
    if options.attribute is None or options.attribute in known:
        return None
    found = ", ".join(ascii(name)[:40] for name in known) or "none"
    return f"has no labels of --attribute {ascii(options.attribute)[:40]}; found: {found}"


def _read_csv(path: Path, labels: Labels) -> tuple[list[File], list[Region]]:
    """The images and their regions."""
    files: list[File] = []
    found: list[Region] = []
    table = read_rows(path, labels)
    if table is None:
        return files, found
    if table.headings:  # older versions write a # in front
        table.headings[0] = table.headings[0].removeprefix("#")
    missing = [name for name in COLUMNS if name not in table.headings]
    if missing:
        labels.report(f"has no column {', '.join(missing)}; VIA's csv is expected", path, 1)
        return files, found
    sizes: dict[str, str] = {}
    for line, values in table.records(path, labels):
        place = Place(values["filename"], path, line)
        size = values.get("file_size", "")
        if sizes.setdefault(place.image, size) != size:  # VIA tells files of one name apart by it
            place.report(
                f"is another '{place.image}' than the one of {sizes[place.image]} bytes", labels
            )
            continue
        parts: list[dict[str, Any]] = []
        for name in ("file_attributes", "region_shape_attributes", "region_attributes"):
            try:
                part = json.loads(values.get(name) or "{}")
            except (ValueError, RecursionError):
                part = None
            if isinstance(part, dict):
                parts.append(part)
            else:
                place.report(f"has a {name} that is not a json object", labels)
        if len(parts) < 3:
            continue
        file_attributes, shape, attributes = parts
        files.append((place, file_attributes))
        if shape:
            found.append((place, shape, attributes))
        elif attributes or values["region_count"] not in ("", "0"):
            place.report("has attributes of a region, or counts some, but has no shape", labels)
    return files, found


def _read_json(path: Path, labels: Labels) -> tuple[list[File], list[Region]]:
    """The images and their regions."""
    files: list[File] = []
    found: list[Region] = []
    content = read_json(path, labels)
    if content is None:
        return files, found
    if isinstance(content, dict) and PROJECT_KEY in content:
        content = content[PROJECT_KEY]
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        labels.report("is not an object of files; VIA's json is expected", path)
        return files, found
    keys: dict[str, str] = {}
    for key, entry in content.items():
        place = Place(str(entry.get("filename", "")), path, where=f"file {ascii(key)[:60]}")
        regions = entry.get("regions", [])
        if isinstance(regions, dict):  # VIA 1
            regions = list(regions.values())
        file_attributes = entry.get("file_attributes") or {}
        if not isinstance(entry.get("filename"), str) or not place.image.strip():
            place.report("has no filename", labels)
        elif keys.setdefault(place.image, key) != key:
            place.report(f"is another '{place.image}' than file {ascii(keys[place.image])}", labels)
        elif not isinstance(regions, list) or not isinstance(file_attributes, dict):
            place.report("has regions that are not a list, or broken file_attributes", labels)
        else:
            files.append((place, file_attributes))
            for number, region in enumerate(regions, 1):
                here = place.at(f"{place.where}, region {number}")
                parts = region if isinstance(region, dict) else {}
                shape, attributes = (
                    parts.get(name) for name in ("shape_attributes", "region_attributes")
                )
                if isinstance(shape, dict) and isinstance(attributes, dict):
                    found.append((here, shape, attributes))
                else:
                    here.report("has no shape_attributes or no region_attributes", labels)
    return files, found


def _add_file(
    place: Place, attributes: Mapping[str, Any], labels: Labels, options: ReadOptions
) -> None:
    """Add an image and its tag."""
    names = [options.attribute] if options.attribute else CLASS_HEADINGS
    found = [attributes[name] for name in names if attributes.get(name)]
    if not place.image:
        place.report("names no image", labels)
    elif len(found) > 1:
        place.report("has several file attributes that could be its class", labels)
    elif not found:
        labels.add(place.image, (), None, place.file, place.line)
    elif isinstance(tags := _chosen(found[0]), tuple):
        labels.add(place.image, tags, None, place.file, place.line)
    else:
        place.report(tags, labels)


def _add_regions(
    path: Path, regions: Sequence[Region], labels: Labels, options: ReadOptions
) -> None:
    """Add the objects of all images."""
    key = _class_key(regions, options)
    if isinstance(key, ValueError):
        labels.report(str(key), path)
        return
    for place, shape, attributes in regions:
        parts, name = _parts(shape), _class_of(attributes, key)
        if isinstance(parts, str):
            place.report(parts, labels)
        elif isinstance(name, ValueError):
            place.report(str(name), labels)
        else:
            add_object(labels, options, place, name, **parts)


def _class_key(regions: Sequence[Region], options: ReadOptions) -> str | None | ValueError:
    """The attribute that is the class of all regions; None: they have no attributes.

    One for the file: of a region without its class, another attribute is not the class.
    """
    if options.attribute:
        return options.attribute
    found = list(dict.fromkeys(key for *_, attributes in regions for key in attributes))
    keys = [key for key in found if key.lower() in CLASS_HEADINGS] or found
    if len(keys) > 1:
        names = ", ".join(ascii(key)[:40] for key in found)
        advice = "--attribute NAME says which one is the class"
        return ValueError(f"has regions with the attributes {names}; {advice}")
    return keys[0] if keys else None


def _class_of(attributes: Mapping[str, Any], key: str | None) -> str | None | ValueError:
    """The class of a region; None: it has none."""
    if key is None or attributes.get(key) in ("", None, {}):
        return None
    names = _chosen(attributes[key])
    if isinstance(names, str) or len(names) != 1:
        return ValueError(f"has a class that is not one name: {json.dumps(attributes)[:80]}")
    return names[0]


def _chosen(value: Any) -> tuple[str, ...] | str:
    """Names of a text, or of the boxes that are ticked; a text says what is wrong."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, dict) and all(type(v) is bool for v in value.values()):
        return tuple(name for name, ticked in value.items() if ticked)
    return f"has an attribute that is not text: {json.dumps(value)[:60]}"


def _parts(shape: Mapping[str, Any]) -> dict[str, Any] | str:
    """Point, box or mask of a region, as ``add_object`` takes it; or what is wrong with it."""
    kind = shape.get("name")

    def numbers(*keys: str) -> list[float] | None:
        return parse_numbers([shape.get(key) for key in keys])

    if kind == "point" and (found := numbers("cx", "cy")):
        return {"point": (found[0], found[1])}
    if kind == "rect" and (found := numbers("x", "y", "width", "height")) and min(found[2:]) >= 0:
        x, y, width, height = found
        return {"box": (x, y, x + width, y + height)}
    if kind == "circle" and (found := numbers("cx", "cy", "r")) and found[2] >= 0:
        return {"mask": Outline.of_rings([ellipse_ring(found[0], found[1], found[2], found[2])])}
    if kind == "ellipse" and (found := numbers("cx", "cy", "rx", "ry")) and min(found[2:]) >= 0:
        turn = parse_numbers([shape.get("theta", 0)])
        if turn is not None:  # VIA's theta is in radians
            cx, cy, rx, ry = found
            ring = ellipse_ring(cx, cy, rx, ry, math.degrees(turn[0]))
            return {"mask": Outline.of_rings([ring])}
    if kind == "polygon":
        xs, ys = (shape.get(f"all_points_{side}") for side in "xy")
        if isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys):
            polygon = parse_ring([list(pair) for pair in zip(xs, ys, strict=True)])
            if polygon is not None:
                return {"mask": Outline.of_rings([polygon])}
    accepted = "points, rectangles, polygons, circles and ellipses are read"
    return f"has the shape {json.dumps(dict(shape))[:80]}; {accepted}"
