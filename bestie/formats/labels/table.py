"""Tables (CSV, TSV): image,x,y,class gives clicks, image,class gives tags.

Measurement tables of QuPath with "Centroid X px" are such tables, too.

Separated by commas, semicolons or tabs. A row must have the fields of the heading; more (a comma
that should have been quoted) or fewer are a mistake, because the values would shift.
"""

import json
import re
from pathlib import Path

from bestie.formats.labels.base import Labels, ReadOptions, parse_number
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.rows import read_rows

__all__ = ["CLASS_HEADINGS", "read_table"]

# Column -> the headings that are accepted for it, in lower case.
COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "image_path"),
    "class": ("class", "classes", "classification", "label", "labels", "tag", "tags"),
}
CLASS_HEADINGS = COLUMNS["class"]
# Words beside x or y that leave it a coordinate in pixels.
PLAIN_WORDS = {"px", "pixel", "pixels", "centroid", "center", "centre", "point", "click", "pos"}
PLAIN_WORDS |= {"position", "coordinate", "coord", "in"}
# Headings that state a box; "x" and "y" are then a corner or a center, which nobody knows.
BOX_HEADINGS = re.compile(
    r"w|h|width|height|(box|bbox|bounding box)[ _]?(w|h|width|height)|[xy][ _]?(min|max)"
    r"|(min|max)[ _]?[xy]|[xy][12]|left|right|top|bottom|bbox|box"
)


def read_table(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a table into ``labels``; see the module."""
    table = read_rows(path, labels)
    if table is None:
        return
    headings, line = table.headings, table.line
    columns = _columns(headings, path, line, labels, options)
    if columns is None:
        return
    for line, fields in table.rows:
        if not any(fields):
            continue
        extra = [text for text in fields[len(headings) :] if text]
        if len(fields) < len(headings) and len(fields) <= max(columns.values()) or extra:
            message = f"{len(fields)} fields under {len(headings)} columns ({', '.join(headings)})"
            advice = "put quotes around a value that holds the separator; decimals have a point"
            labels.report(f"{message}; {advice}, several tags are written dog|cat", path, line)
            continue
        values = {name: fields[index] for name, index in columns.items()}
        _add_row(values, labels, options, path, line)
    _report_unclear_commas(path, labels)


def _columns(
    headings: list[str], path: Path, line: int, labels: Labels, options: ReadOptions
) -> dict[str, int] | None:
    """Column (image, class, and x, y or none of these) -> its position; None after a mistake.

    Clicks need no class if ``options`` names the one of all.
    """
    found: dict[str, list[int]] = {}
    unused, boxes = [], []
    for index, heading in enumerate(headings):
        name = _column(heading)
        if name is not None:
            found.setdefault(name, []).append(index)
        elif BOX_HEADINGS.fullmatch(heading.lower()):
            boxes.append(heading)
        elif _is_coordinate(heading):
            unused.append(heading)
    shown = f"its first line is '{', '.join(headings)}'"
    accepted = "image,x,y,class for clicks, image,class for tags"
    twice = [[headings[i] for i in found[name]] for name in found if len(found[name]) > 1]
    has_class = "x" in found and options.class_name is not None
    needed = {"image"} if has_class else {"image", "class"}
    message = None
    if twice:
        message = f"{' and '.join(twice[0])} are columns of the same meaning; rename all but one"
    elif not needed <= found.keys() or ("x" in found) != ("y" in found):
        hint = "; --class NAME is the class of clicks without that column"
        message = f"{shown}; it must name the columns: {accepted}{hint * ('x' in found)}"
    elif boxes:
        message = (
            f"is a table of boxes ({', '.join(boxes)}); a click is one point per object: write the "
            "middle of each box, in pixels, into columns x and y, and remove the columns of the box"
        )
    elif unused and "x" not in found:
        message = (
            f"cannot use the coordinates {', '.join(unused)}: clicks are pixels from the top left "
            "corner; convert them into columns x and y, or remove them to import tags"
        )
        if any("\u00b5m" in name or "\u03bcm" in name for name in unused):
            message += (
                "; in QuPath, remove the pixel size of the image before you measure, or export the "
                "objects as GeoJSON, which is in pixels"
            )
    if message is not None:
        labels.report(message, path, line)
        return None
    return {name: indices[0] for name, indices in found.items()}


def _column(heading: str) -> str | None:
    name = heading.strip().lower()
    for column, accepted in COLUMNS.items():
        if name in accepted:
            return column
    words = _words(heading)
    axes = [word for word in words if word not in PLAIN_WORDS]
    return axes[0] if axes in (["x"], ["y"]) else None


def _is_coordinate(heading: str) -> bool:
    words = _words(heading)
    named = {"centroid", "coordinate", "coordinates", "lat", "lon", "latitude", "longitude", "axis"}
    named |= {"x", "y", "cx", "cy", "geometry"}
    return bool(named & set(words))


def _words(heading: str) -> list[str]:
    """Words of a heading in lower case; a sign of a unit (µ, %) stays a word."""
    return re.findall(r"[^\W\d_]+|%|\d+", heading.lower())


def _add_row(
    values: dict[str, str], labels: Labels, options: ReadOptions, path: Path, line: int
) -> None:
    image, names = values["image"], values.get("class", "")
    if not image:
        labels.report("names no image", path, line)
    elif _is_json(names):
        advice = "export names of classes, or give the json export of the tool"
        labels.report(f"its class is json, {names[:60]}; {advice}", path, line)
    elif "x" not in values:
        parts = re.split(r"[;|]", names)
        classes = tuple(name.strip() for name in parts if name.strip())
        labels.add(image, classes, None, path, line)
    elif not values["x"] and not values["y"] and not names:
        labels.add(image, (), None, path, line)  # an image without objects
    else:
        _add_click(values, labels, options, path, line)


def _add_click(
    values: dict[str, str], labels: Labels, options: ReadOptions, path: Path, line: int
) -> None:
    x, y, name = parse_number(values["x"]), parse_number(values["y"]), values.get("class", "")
    if x is None or y is None:
        where = f"x '{values['x']}', y '{values['y']}'"
        comma = "; decimals have a point" if "," in values["x"] + values["y"] else ""
        labels.report(f"{where} are not two numbers (pixels){comma}", path, line)
    elif ";" in name or "|" in name:
        message = f"class '{name}' holds a separator of tags; a click has one class"
        labels.report(message, path, line)
    else:
        place = Place(values["image"], path, line)
        add_object(labels, options, place, name or None, point=(x, y))


def _is_json(text: str) -> bool:
    if not text.startswith(("[", "{")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _report_unclear_commas(path: Path, labels: Labels) -> None:
    """A tag "dog, cat" is one class, unless dog or cat are classes of their own, too."""
    known = {name for row in labels.rows for name in row.classes}
    for row in labels.rows:
        for name in row.classes:
            parts = {part.strip() for part in name.split(",")}
            if row.xy is None and "," in name and parts & known:
                message = f"'{name}' could be one class or several; separate classes by ;"
                labels.report(message, path, row.line)
