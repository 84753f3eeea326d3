"""QuPath's GeoJSON: a file per image, called like the image.

A point is a click, and so is each point of QuPath's points tool (MultiPoint), which counts objects;
polygons, with holes and several parts, are masks. The class is the name of the classification.
Objects whose class ends with * (Ignore*, Region*) are left out, because QuPath ignores them, too.
Coordinates are pixels of the full image from its top left corner, as in QuPath.

Source: https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    list_files,
    parse_pair,
    read_json,
)
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.shapes import Outline, Ring, parse_ring

__all__ = ["read_qupath"]

SUFFIXES = (".geojson", ".json")


def read_qupath(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a GeoJSON of QuPath, or all of a folder; see the module."""
    files = list_files(path, SUFFIXES) if path.is_dir() else [path]
    ignored: Counter[str] = Counter()
    for file in files:
        content = read_json(file, labels)
        if content is None:
            continue
        features = content.get("features") if isinstance(content, dict) else content
        if isinstance(content, dict) and content.get("type") == "Feature":
            features = [content]
        if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
            labels.report("is not a list of features; QuPath's GeoJSON is expected", file)
            continue
        image = file.stem  # of "a.geojson" the image is a.png, of "a.png.geojson", too
        labels.add(image, (), None, file)
        for number, feature in enumerate(features, 1):
            place = Place(image, file, where=f"feature {number}")
            _read_feature(feature, place, labels, options, ignored)
    for name, count in ignored.items():
        message = f"{count} objects of the class {ascii(name)[:60]} are left out"
        labels.notes.append(f"{message}: QuPath ignores classes that end with *")


def _read_feature(
    feature: dict[str, Any],
    place: Place,
    labels: Labels,
    options: ReadOptions,
    ignored: Counter[str],
) -> None:
    geometry, properties = feature.get("geometry"), feature.get("properties") or {}
    if not isinstance(geometry, dict) or not isinstance(properties, dict):
        place.report("has no geometry, or broken properties", labels)
        return
    name = _class_of(properties)
    if isinstance(name, ValueError):
        place.report(str(name), labels)
        return
    if name is not None and name.rstrip().endswith("*"):
        ignored[name.strip()] += 1
        return
    if mistake := _plane_mistake(geometry.get("plane")):
        place.report(mistake, labels)
        return
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind in ("Point", "MultiPoint"):
        points = [coordinates] if kind == "Point" else coordinates
        pairs = [parse_pair(point) for point in points] if isinstance(points, list) else []
        if not pairs or None in pairs:
            place.report(f"is a {kind} without [x, y] of numbers", labels)
        for pair in pairs if None not in pairs else []:
            add_object(labels, options, place, name, point=pair)
    elif kind in ("Polygon", "MultiPolygon"):
        polygons = [coordinates] if kind == "Polygon" else coordinates
        outline = _outline(polygons)
        if outline is None:
            place.report(f"is a {kind} without rings of 3 or more [x, y]", labels)
        else:
            add_object(labels, options, place, name, mask=outline)
    else:
        message = f"is a {json.dumps(kind)[:40]}; points and polygons, also several, are read"
        place.report(message, labels)


def _class_of(properties: dict[str, Any]) -> str | None | ValueError:
    """Name of the classification; None: it has none."""
    found = properties.get("classification")
    if found is None:
        return None
    name = found.get("name") if isinstance(found, dict) else found
    if isinstance(found, dict) and isinstance(found.get("names"), list) and name is None:
        name = ": ".join(map(str, found["names"]))  # derived classes, as QuPath shows them
    if not isinstance(name, str):
        return ValueError(f"has a classification without a name: {json.dumps(found)[:60]}")
    return name


def _plane_mistake(plane: Any) -> str | None:
    """An object of another slice or time than the first does not lie on a photo."""
    if plane is None:
        return None
    places = [plane.get(axis, 0) for axis in "zt"] if isinstance(plane, dict) else [None]
    if places != [0, 0]:
        return f"lies on another plane of a stack: {json.dumps(plane)[:60]}"
    return None


def _outline(polygons: Any) -> Outline | None:
    """Polygons of outer rings and holes; None if one is anything else."""
    if not isinstance(polygons, list) or not polygons:
        return None
    parts: list[tuple[Ring, ...]] = []
    for polygon in polygons:
        rings = [parse_ring(ring) for ring in polygon] if isinstance(polygon, list) else []
        found = tuple(ring for ring in rings if ring is not None)
        if not found or len(found) < len(rings):
            return None
        parts.append(found)
    return Outline(tuple(parts))
