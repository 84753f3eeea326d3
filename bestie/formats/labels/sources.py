"""Readers of labels as tools and people write them: CSV, COCO json, folders of LabelMe json.

Comes in: a file or a folder. Goes out: :class:`Labels`, clicks or tags by name of image and class.
Called by ``import_labels``. Mistakes are collected, each with its file and line, so that a user
sees all of them at once.
"""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bestie.formats import DataError

__all__ = ["FORMATS", "Labels", "Row", "read_labels"]

# Column -> the headings that are taken for it, in lower case.
COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "image_path"),
    "x": ("x",),
    "y": ("y",),
    "class": ("class", "classes", "label", "labels", "tag", "tags"),
}
FORMATS = ("csv", "coco", "labelme")


@dataclass(frozen=True)
class Row:
    """One click, or the tags of one image.

    Attributes:
        image: file name as the labels have it; folders and suffix may be missing.
        classes: names; one for a click.
        xy: (x, y) of a click, pixels from the top left corner; None for tags.
        line: line of the file that it stands in, or None.
        file: the file.
    """

    image: str
    classes: tuple[str, ...]
    xy: tuple[float, float] | None
    file: Path
    line: int | None = None


@dataclass
class Labels:
    """What a source holds.

    Attributes:
        rows: clicks or tags. An image without objects has a row without classes.
        class_names: in the source's order, where it has one (COCO), else [].
        sizes: name of an image -> its (height, width) as the source states it, where it does.
        problems: mistakes.
    """

    rows: list[Row] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: list[DataError] = field(default_factory=list)

    def report(self, message: str, file: Path, line: int | None = None) -> None:
        self.problems.append(DataError(message, file, line))

    @property
    def clicked(self) -> bool:
        """Whether there are clicks."""
        return any(row.xy is not None for row in self.rows)


def read_labels(path: Path, format: str | None = None) -> Labels:
    """Read labels.

    Args:
        path: a CSV file, a COCO json, or a folder of LabelMe json files.
        format: of FORMATS; None: by the name.

    Raises:
        DataError: there is no such file, or its format is not known.
    """
    if not path.exists():
        raise DataError("--labels: file does not exist", path)
    if format is None:
        by_suffix = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "coco"}
        format = "labelme" if path.is_dir() else by_suffix.get(path.suffix.lower())
    if format is None:
        accepted = "a .csv, a COCO .json or a folder of LabelMe .json files is expected"
        raise DataError(f"--labels: format is not known; {accepted} (or --format)", path)
    labels = Labels()
    {"csv": _read_csv, "coco": _read_coco, "labelme": _read_labelme}[format](path, labels)
    if not labels.rows and not labels.problems:
        labels.report("holds no label", path)
    return labels


# ---- CSV: image,x,y,class or image,class


def _read_csv(path: Path, labels: Labels) -> None:
    text = _read_text(path, labels)
    if text is None:
        return
    lines = text.splitlines()
    heading = lines[0] if lines else ""
    delimiter = max(",;\t", key=heading.count)
    columns = _columns(next(csv.reader([heading], delimiter=delimiter), []))
    if not {"image", "class"} <= columns.keys() or ("x" in columns) != ("y" in columns):
        message = f"its first line is '{heading}'; it must name the columns: image,x,y,class for "
        labels.report(f"{message}clicks, image,class for tags", path, 1)
        return
    reader = csv.reader(lines[1:], delimiter=delimiter)
    for fields in reader:
        line = reader.line_num + 1
        if not any(text.strip() for text in fields):
            continue
        if len(fields) <= max(columns.values()):
            message = f"{len(fields)} fields; {max(columns.values()) + 1} are expected"
            labels.report(message, path, line)
            continue
        values = {name: fields[index].strip() for name, index in columns.items()}
        _add_csv_row(values, labels, path, line)


def _columns(headings: list[str]) -> dict[str, int]:
    """Column -> its position."""
    columns = {}
    for index, heading in enumerate(headings):
        for name, accepted in COLUMNS.items():
            if heading.strip().lower() in accepted:
                columns.setdefault(name, index)
    return columns


def _add_csv_row(values: dict[str, str], labels: Labels, path: Path, line: int) -> None:
    if not values["image"]:
        labels.report("names no image", path, line)
    elif "x" not in values:
        names = values["class"].replace("|", ";").split(";")
        classes = tuple(name.strip() for name in names if name.strip())
        labels.rows.append(Row(values["image"], classes, None, path, line))
    elif not values["x"] and not values["y"] and not values["class"]:
        labels.rows.append(Row(values["image"], (), None, path, line))  # holds no object
    else:
        xy = _numbers(values["x"], values["y"])
        if xy is None:
            where = f"x '{values['x']}', y '{values['y']}'"
            labels.report(f"{where} are no two numbers (pixels)", path, line)
        elif not values["class"]:
            labels.report("names no class", path, line)
        else:
            labels.rows.append(Row(values["image"], (values["class"],), xy, path, line))


# ---- COCO: keypoints or points of the annotations, else their categories as tags


def _read_coco(path: Path, labels: Labels) -> None:
    coco = _read_json(path, labels)
    if coco is None:
        return
    tables = {name: _table(coco, name) for name in ("images", "annotations", "categories")}
    missing = [name for name, table in tables.items() if table is None]
    if missing:
        found = f"has no list of {', '.join(missing)}"
        labels.report(f"{found}; a COCO json with images, annotations, categories", path)
        return
    try:
        names = {category["id"]: str(category["name"]) for category in tables["categories"]}
        images = {image["id"]: str(image["file_name"]) for image in tables["images"]}
    except (KeyError, TypeError) as error:
        labels.report(f"an image or category is incomplete ({error!r})", path)
        return
    if not all(isinstance(key, int) for key in (*names, *images)):
        labels.report("the id of an image or category is no integer", path)
        return
    labels.class_names = [names[key] for key in sorted(names)]
    for name in sorted({n for n in labels.class_names if labels.class_names.count(n) > 1}):
        labels.report(f"several categories have the name '{name}'", path)
    labels.rows += [Row(name, (), None, path) for name in images.values()]
    for image in tables["images"]:
        _add_size(str(image["file_name"]), image.get("height"), image.get("width"), labels)
    annotations = [entry for entry in tables["annotations"] if not entry.get("iscrowd", 0)]
    pointed = any(_has_points(entry) for entry in annotations)
    for entry in annotations:
        name = f"annotation {entry.get('id', 'without id')}"
        image, category = _named(images, entry, "image_id"), _named(names, entry, "category_id")
        if image is None or category is None:
            key = "image_id" if image is None else "category_id"
            labels.report(f"{name}: {key} {entry.get(key)} is not in the file", path)
        elif not pointed:
            labels.rows.append(Row(image, (category,), None, path))
        elif not (points := list(_coco_points(entry))):
            labels.report(f"{name} has neither keypoints nor a point; others have", path)
        elif None in points:
            labels.report(f"{name}: its point is no [x, y] of numbers", path)
        else:
            labels.rows += [Row(image, (category,), xy, path) for xy in points]


def _named(names: dict[int, str], entry: dict[str, Any], key: str) -> str | None:
    number = entry.get(key)
    return names.get(number) if isinstance(number, int) else None


def _has_points(entry: dict[str, Any]) -> bool:
    return any(entry.get(key) for key in ("keypoints", "points", "point"))


def _coco_points(entry: dict[str, Any]) -> Iterator[tuple[float, float] | None]:
    """Points of an annotation: visible keypoints (x, y, v), "points" or "point"."""
    keypoints = entry.get("keypoints") or []
    for x, y, visible in zip(*(keypoints[i::3] for i in range(3)), strict=False):
        if visible:
            yield _numbers(x, y)
    points = entry.get("points") or ([entry["point"]] if entry.get("point") else [])
    if points and not isinstance(points[0], list):
        points = [points]
    for point in points:
        yield _numbers(*point) if isinstance(point, list) and len(point) == 2 else None


# ---- LabelMe: a json beside each image; points are clicks, flags of the image are tags


def _read_labelme(folder: Path, labels: Labels) -> None:
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        labels.report("holds no .json file", folder)
    for path in paths:
        content = _read_json(path, labels)
        if content is None:
            continue
        shapes = _table(content, "shapes")
        if shapes is None or not isinstance(content.get("imagePath"), str):
            labels.report("has no imagePath or no list of shapes; LabelMe's json is expected", path)
            continue
        # LabelMe on Windows writes backslashes; the path is relative to the json.
        image = Path(content["imagePath"].replace("\\", "/")).name
        _add_size(image, content.get("imageHeight"), content.get("imageWidth"), labels)
        flags = content.get("flags") or {}
        if not isinstance(flags, dict):
            labels.report("its flags are no object of name: true or false", path)
            continue
        tags = tuple(name for name, is_set in flags.items() if is_set)
        labels.rows.append(Row(image, tags, None, path))
        for number, shape in enumerate(shapes, 1):
            _add_shape(shape, f"shape {number}", image, labels, path)


def _add_shape(shape: dict[str, Any], name: str, image: str, labels: Labels, path: Path) -> None:
    label, kind, points = shape.get("label"), shape.get("shape_type"), shape.get("points")
    point = points[0] if isinstance(points, list) and len(points) == 1 else None
    xy = _numbers(*point) if isinstance(point, list) and len(point) == 2 else None
    if not isinstance(label, str) or not label.strip():
        labels.report(f"{name} has no label", path)
    elif kind != "point":
        labels.report(f"{name} is a {kind}; points, one an object, are expected", path)
    elif xy is None:
        labels.report(f"{name} is no single point of two numbers", path)
    else:
        labels.rows.append(Row(image, (label.strip(),), xy, path))


# ---- shared


def _add_size(image: str, height: Any, width: Any, labels: Labels) -> None:
    if isinstance(height, int) and isinstance(width, int):
        labels.sizes[image] = (height, width)


def _read_text(path: Path, labels: Labels) -> str | None:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        labels.report("is no UTF-8 text; save it as UTF-8", path, line)
    return None


def _read_json(path: Path, labels: Labels) -> dict[str, Any] | None:
    text = _read_text(path, labels)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        labels.report(f"is no well-formed json ({error.msg})", path, error.lineno)
        return None
    if not isinstance(content, dict):
        labels.report(f"is a json {type(content).__name__}; an object is expected", path)
        return None
    return content


def _table(content: dict[str, Any], name: str) -> list[dict[str, Any]] | None:
    value = content.get(name)
    is_table = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
    return value if is_table else None


def _numbers(x: Any, y: Any) -> tuple[float, float] | None:
    try:
        pair = float(x), float(y)
    except (TypeError, ValueError):
        return None
    return pair if all(map(math.isfinite, pair)) else None
