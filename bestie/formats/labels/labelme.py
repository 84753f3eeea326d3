"""LabelMe: a json beside each image; points are clicks, flags of the image can be tags."""

from pathlib import Path
from typing import Any

from bestie.formats.images import walk_folders
from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    name_mistake,
    parse_pair,
    read_json,
    table_of,
)

__all__ = ["read_labelme"]

# Names that LabelMe gives a meaning of its own.
OWN_LABELS = ("__ignore__", "_background_")


def read_labelme(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a json of LabelMe, or all of a folder; see the module."""
    files = _json_files(path) if path.is_dir() else [path]
    if not files:
        labels.report("holds no .json file", path)
    flagged: list[Path] = []
    for file in files:
        content = read_json(file, labels)
        if content is not None and _read_file(content, file, labels, options):
            flagged.append(file)
    if flagged and labels.clicked:
        labels.notes.append(f"flags of {len(flagged)} images are not used (--flags-are-tags)")
    elif flagged:
        message = "has no points, only flags; give --flags-are-tags if the flags are tags"
        labels.report(message, flagged[0])


def _json_files(folder: Path) -> list[Path]:
    """All .json files of a folder but the notes of macOS, links to folders included."""
    found = (
        Path(place, name)
        for place, _, names in walk_folders(folder)
        for name in names
        if name.lower().endswith(".json") and not name.startswith("._")
    )
    return sorted(found)


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
    beside = (path.parent / image, path.parent / Path(image).name)
    labels.add_size(image, content.get("imageHeight"), content.get("imageWidth"), path)
    tags = tuple(name for name, is_set in flags.items() if is_set)
    labels.add(image, tags if options.flags_are_tags else (), None, path, None, beside)
    for number, shape in enumerate(shapes, 1):
        click = _click(shape, f"shape {number}", options)
        if isinstance(click, str):
            labels.report(click, path)
        else:
            labels.add(image, (shape["label"],), click, path, None, beside)
    return bool(tags) and not options.flags_are_tags


def _click(shape: dict[str, Any], name: str, options: ReadOptions) -> tuple[float, float] | str:
    """(x, y) of a shape, or what is wrong with it."""
    label, kind, points = shape.get("label"), shape.get("shape_type"), shape.get("points")
    if mistake := name_mistake(label):
        return f"{name} has no label: {mistake}"
    if label in OWN_LABELS:
        return f"{name} has the label {label}, which LabelMe keeps for itself; remove the shape"
    pairs = [parse_pair(point) for point in points] if isinstance(points, list) else [None]
    corners = [pair for pair in pairs if pair is not None]
    if kind == "rectangle" and options.boxes_as_clicks:
        if len(corners) != 2 or len(pairs) != 2:
            return f"{name} is a rectangle without two corners of two numbers"
        (left, top), (right, bottom) = corners
        return (left + right) / 2, (top + bottom) / 2
    if kind != "point":
        advice = " (--boxes-as-clicks takes the middle)" if kind == "rectangle" else ""
        return f"{name} is a {kind}; points, one per object, are expected{advice}"
    if len(pairs) != 1 or not corners:
        return f"{name} is not a single point of two numbers"
    return corners[0]
