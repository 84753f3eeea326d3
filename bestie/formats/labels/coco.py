"""COCO json as labels: the one reader of the importer, the pipeline and ``prepare_coco.py``.

One annotation that is not a crowd is one object. Its click is

- its "point" [x, y], "points" [[x, y]], or the visible keypoint of its "keypoints" [x, y, v, ...];
- with several visible keypoints or points: what ``ReadOptions.keypoints`` chooses; if that is a
  name, also where another keypoint is the only visible one: the object has no click then;
- else the middle of its "bbox" [x, y, width, height], only with ``ReadOptions.boxes_as_clicks``.

An object whose keypoints all have visibility 0 has no click. ``coco_labels`` adds what the importer
makes of masks and of jsons without points.
"""

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    clean_class,
    name_mistake,
    parse_numbers,
    parse_pair,
    same_name_key,
    share_mistake,
    table_of,
)

__all__ = ["CocoId", "CocoLabels", "CocoObject", "parse_coco", "points_of"]

CocoId = int | str
POINT_KEYS = ("keypoints", "points", "point")


@dataclass(frozen=True)
class CocoObject:
    """An annotation that is not a crowd.

    Attributes:
        name: which annotation it is, for messages.
        image, category: ids.
        click: (x, y), pixels; None: it has none, or clicks are not read.
        is_box: the click is the middle of a box.
        entry: the annotation itself.
    """

    name: str
    image: CocoId
    category: CocoId
    click: tuple[float, float] | None
    is_box: bool
    entry: dict[str, Any]


@dataclass
class CocoLabels:
    """The labels of a COCO json; ids are integers where they can be read as such.

    Attributes:
        images: id -> entry, in the order of the file.
        categories: id -> name, in the order of the ids.
        category_entries: id -> entry.
        annotations: (image id, category id, entry) of all annotations, crowds included.
        objects: annotations that are not crowds, in the order of the file.
        clicked: whether clicks were read.
        unseen: number of objects without a visible keypoint.
    """

    images: dict[CocoId, dict[str, Any]] = field(default_factory=dict)
    categories: dict[CocoId, str] = field(default_factory=dict)
    category_entries: dict[CocoId, dict[str, Any]] = field(default_factory=dict)
    annotations: list[tuple[CocoId, CocoId, dict[str, Any]]] = field(default_factory=list)
    objects: list[CocoObject] = field(default_factory=list)
    clicked: bool = False
    unseen: int = 0


def parse_coco(
    content: Any,
    path: Path,
    labels: Labels,
    options: ReadOptions,
    clicks: bool | None = None,
    masks: bool = False,
) -> CocoLabels:
    """Read a COCO dict.

    Args:
        content: the json's content.
        path: its file, for messages.
        labels: gets the mistakes.
        options: how to read objects with several points or none.
        clicks: whether each object must have a click; False: clicks are not read; None: clicks if
            any annotation has a point, or boxes are clicks.
        masks: objects with a "segmentation" need no click.

    Returns:
        What could be read; whole if no mistake was reported.
    """
    coco = CocoLabels()
    if not isinstance(content, dict):
        labels.report(f"is a json {type(content).__name__}; an object is expected", path)
        return coco
    tables = {name: table_of(content, name) for name in ("images", "annotations", "categories")}
    missing = [name for name, table in tables.items() if table is None]
    missing += [name for name in ("images", "categories") if tables[name] == []]
    if missing:
        found = f"{', '.join(missing)} missing, empty or no list of objects"
        labels.report(
            f"{found}; a COCO json with images, annotations and categories is expected", path
        )
        return coco
    known = len(labels.problems)
    coco.images = _images(tables["images"] or [], path, labels)
    _read_categories(coco, tables["categories"] or [], path, labels)
    if len(labels.problems) == known:
        _read_annotations(coco, tables["annotations"] or [], path, labels)
    if len(labels.problems) == known:
        _read_objects(coco, path, labels, options, clicks, masks)
    return coco


def _read_annotations(
    coco: CocoLabels, entries: list[dict[str, Any]], path: Path, labels: Labels
) -> None:
    """Annotations whose image and category are known; others are mistakes."""
    for number, entry in enumerate(entries, 1):
        name = _annotation_name(entry, number)
        if entry.get("iscrowd") not in (None, 0, 1, "", "0", "1"):
            labels.report(f"{name}: iscrowd {json.dumps(entry['iscrowd'])} is not 0 or 1", path)
        image, category = _id(entry.get("image_id")), _id(entry.get("category_id"))
        if image not in coco.images or category not in coco.categories:
            key = "image_id" if image not in coco.images else "category_id"
            found = json.dumps(entry.get(key))
            labels.report(f"{name}: {key} {found} is not in the file", path)
        else:
            coco.annotations.append((image, category, entry))


def _read_objects(
    coco: CocoLabels,
    path: Path,
    labels: Labels,
    options: ReadOptions,
    clicks: bool | None,
    masks: bool,
) -> None:
    """Objects, with their clicks if these are to be read."""
    objects = [
        (_annotation_name(entry, number), image, category, entry)
        for number, (image, category, entry) in enumerate(coco.annotations, 1)
        if entry.get("iscrowd") in (None, 0, "", "0")
    ]
    has_points = [any(entry.get(key) for key in POINT_KEYS) for *_, entry in objects]
    coco.clicked = (any(has_points) or options.boxes_as_clicks) if clicks is None else clicks
    for name, image, category, entry in objects:
        points = points_of(entry)
        labels.has_choice |= isinstance(points, list) and len(points) > 1
        click: tuple[float, float] | str | None = None
        has_mask = masks and bool(entry.get("segmentation"))
        needs_click = not has_mask or options.boxes_as_clicks or points is not None
        if coco.clicked and needs_click:
            click = _click(entry, coco.category_entries[category], options)
        if isinstance(click, str):
            labels.report(f"{name}{click}", path)
            continue
        coco.unseen += coco.clicked and click is None and needs_click
        is_box = click is not None and not _visible(points)
        coco.objects.append(CocoObject(name, image, category, click, is_box, entry))
    clicked = [(entry.name, entry.click) for entry in coco.objects if entry.click is not None]
    if found := share_mistake([click for _, click in clicked]):
        labels.report(f"{clicked[found[0]][0]}: {found[1]}", path)
    wants_masks = masks and options.objects_as == "masks"
    if coco.clicked and objects and coco.unseen == len(objects) and not wants_masks:
        labels.report("no annotation has a visible keypoint", path)


def _annotation_name(entry: dict[str, Any], number: int) -> str:
    key = _id(entry.get("id"))
    return f"annotation number {number}" if key is None else f"annotation {key}"


# ---- ids, names, flags


def _id(value: Any) -> CocoId | None:
    """1, 1.0 and "1" are the same id; None if a value cannot be one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value == value // 1:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    return value if isinstance(value, int) or (isinstance(value, str) and value.strip()) else None


def _with_ids(
    kind: str, entries: list[dict[str, Any]], path: Path, labels: Labels
) -> dict[CocoId, dict[str, Any]]:
    """Id -> entry; a missing, wrong or repeated id is a mistake."""
    ids = [_id(entry.get("id")) for entry in entries]
    for number, (key, entry) in enumerate(zip(ids, entries, strict=True), 1):
        if key is None:
            found = json.dumps(entry.get("id"))
            labels.report(f"{kind} number {number}: id {found} is not an id", path)
    for key, count in Counter(key for key in ids if key is not None).items():
        if count > 1:
            labels.report(f"{kind} id {key} occurs {count} times", path)
    return {key: entry for key, entry in zip(ids, entries, strict=True) if key is not None}


def _images(
    entries: list[dict[str, Any]], path: Path, labels: Labels
) -> dict[CocoId, dict[str, Any]]:
    names: Counter[str] = Counter()
    for number, entry in enumerate(entries, 1):
        name = entry.get("file_name")
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            found = json.dumps(name)
            labels.report(f"image number {number}: file_name {found} is not a file name", path)
        else:
            path_of_name = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/")))
            names[path_of_name.as_posix()] += 1  # without "./" and doubled slashes
            labels.add_size(name, entry.get("height"), entry.get("width"), path)
    for name, count in names.items():
        if count > 1:
            labels.report(f"image file_name '{name}' occurs {count} times", path)
    return _with_ids("image", entries, path, labels)


def _read_categories(
    coco: CocoLabels, entries: list[dict[str, Any]], path: Path, labels: Labels
) -> None:
    seen: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        name = entry.get("name")
        if not isinstance(name, str) or name_mistake(name):
            labels.report(f"category number {number}: {name_mistake(name)}", path)
            continue
        form = same_name_key(name)
        if form in seen:
            same = "have the same name" if seen[form] == name else "differ in blanks or case only"
            labels.report(f"categories '{seen[form]}' and '{name}' {same}", path)
        seen.setdefault(form, name)
    table = _with_ids("category", entries, path, labels)
    for key in sorted(table, key=lambda key: (isinstance(key, str), key)):
        coco.category_entries[key] = table[key]
        coco.categories[key] = clean_class(str(table[key].get("name")))


# ---- clicks


def _visible(points: list[tuple[float, float] | None] | str | None) -> list[tuple[float, float]]:
    return [point for point in points or [] if isinstance(point, tuple)]


def points_of(entry: dict[str, Any]) -> list[tuple[float, float] | None] | str | None:
    """Points of an annotation, None where a keypoint is not visible.

    Returns:
        The points; a text that says what is wrong; None if the annotation has no point.
    """
    keys = [key for key in POINT_KEYS if entry.get(key) not in (None, [])]
    if not keys:
        return None
    if len(keys) > 1:
        return f" has {' and '.join(keys)}; one of them is expected"
    value = entry[keys[0]]
    if keys[0] == "keypoints":
        return _keypoints(value)
    if keys[0] == "point" or (isinstance(value, list) and parse_pair(value) is not None):
        value = [value]
    points = [parse_pair(point) for point in value] if isinstance(value, list) else []
    if not points or None in points:
        return f": its point {json.dumps(entry[keys[0]])[:80]} is not [x, y] of numbers"
    return points


def _keypoints(value: Any) -> list[tuple[float, float] | None] | str:
    numbers = parse_numbers(value)
    if not numbers or len(numbers) % 3:
        return f": its keypoints {json.dumps(value)[:80]} are not x, y, visibility, ... of numbers"
    wrong = [v for v in numbers[2::3] if v not in (0, 1, 2)]
    if wrong:
        return f": the visibility {wrong[0]} of a keypoint is not 0, 1 or 2"
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return [(x, y) if visible else None for x, y, visible in triples]


def _click(
    entry: dict[str, Any], category: dict[str, Any], options: ReadOptions
) -> tuple[float, float] | str | None:
    """(x, y); what is wrong; or None for an object without a visible keypoint."""
    points = points_of(entry)
    if isinstance(points, str):
        return points
    visible = _visible(points)
    by_name = options.keypoints not in (None, "first", "mean") and len(points or []) > 1
    if len(visible) > 1 or (visible and by_name):
        return _chosen(points or [], visible, category.get("keypoints"), options.keypoints)
    if visible:
        return visible[0]
    if options.boxes_as_clicks:
        return _box_middle(entry.get("bbox"))
    if points is None:
        found = " has neither keypoints nor a point"
        return f"{found}; its box is a click only with --boxes-as-clicks"
    return None


def _chosen(
    points: list[tuple[float, float] | None],
    visible: list[tuple[float, float]],
    names: Any,
    choice: str | None,
) -> tuple[float, float] | str | None:
    """The click of an object with several keypoints, as :func:`_click` returns it."""
    if choice == "first":
        return visible[0]
    if choice == "mean":
        return sum(x for x, _ in visible) / len(visible), sum(y for _, y in visible) / len(visible)
    if choice is None:
        found = f" has {len(visible)} visible keypoints; a click is one point per object"
        return f"{found}: choose it with --keypoints first, mean or NAME"
    known = names if isinstance(names, list) else []
    if known.count(choice) != 1 or len(known) != len(points):
        accepted = ", ".join(["first", "mean", *map(str, known)])
        return f": --keypoints {choice} is not a keypoint of its category; accepted: {accepted}"
    return points[known.index(choice)]


def _box_middle(box: Any) -> tuple[float, float] | str:
    sides = parse_numbers(box)
    if sides is None or len(sides) != 4 or min(sides[2:]) < 0:
        return f": its bbox {json.dumps(box)[:80]} is not [x, y, width, height] of numbers"
    x, y, width, height = sides
    return x + width / 2, y + height / 2
