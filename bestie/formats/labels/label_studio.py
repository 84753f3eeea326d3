"""Label Studio's exports JSON, JSON-MIN and CSV.

Keypoints are clicks, polygons, ellipses and brushes are masks, rectangles are boxes, choices are
tags. Its coordinates are percent of the image: x = 50 of an image of 640 pixels is 320. The
columns of a CSV, and the keys of JSON-MIN, that are not Label Studio's own are the data of the
task (the one with the name of an image) and the controls of the labelling. An annotation per image
is expected, and cancelled ones do not count. Predictions are not read.

Brushes need the library label-studio-sdk, which has Label Studio's own code for them.

Source: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bestie.formats.labels.base import Labels, ReadOptions, read_json
from bestie.formats.labels.label_studio_regions import COORDINATES, add_region
from bestie.formats.labels.objects import Place
from bestie.formats.labels.rows import read_rows

__all__ = ["read_label_studio"]

OWN_COLUMNS = {"annotation_id", "annotator", "created_at", "id", "lead_time", "updated_at"}
OWN_COLUMNS |= {"agreement", "annotation_id", "completed_by", "project", "inner_id"}
CHOICE_COLUMN = re.compile("choice|class|label|tag|categor", re.IGNORECASE)
IMAGE_COLUMNS = ("image", "img", "photo", "picture", "file", "url")


def read_label_studio(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read an export of Label Studio; see the module."""
    if path.suffix.lower() in (".csv", ".tsv"):
        _read_csv(path, labels, options)
        return
    content = read_json(path, labels)
    if content is None:
        return
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        labels.report("is not a list of tasks; Label Studio's json is expected", path)
        return
    skipped: Counter[str] = Counter()
    tasks: dict[str, str] = {}
    for number, task in enumerate(content, 1):
        place = Place("", path, where=f"task {number}")
        data = task.get("data") if "data" in task else task
        image = _image_of(data, place, labels) if isinstance(data, dict) else None
        if image is None:
            if not isinstance(data, dict):
                place.report("has no data", labels)
            continue
        place = Place(image, path, where=place.where)
        if image in tasks:
            place.report(f"is about '{image}', as {tasks[image]} is", labels)
            continue
        tasks[image] = place.where
        if "data" in task:
            _read_task(task, place, labels, options, skipped)
        else:
            labels.add(image, (), None, path)
            controls = {key: task[key] for key in task if key not in OWN_COLUMNS}
            _read_controls(controls, data, place, labels, options)
    for kind, count in skipped.items():
        labels.notes.append(f"{count} results of the type {kind} are not used")


def _read_task(
    task: Mapping[str, Any],
    place: Place,
    labels: Labels,
    options: ReadOptions,
    skipped: Counter[str],
) -> None:
    """A task of the export JSON: its annotation's results."""
    found = task.get("annotations")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        place.report("has no list of annotations", labels)
        return
    kept = [entry for entry in found if entry.get("was_cancelled") is not True]
    if len(kept) > 1:
        place.report(f"has {len(kept)} annotations; export one per image", labels)
        return
    if not kept:  # nobody has labelled it
        return
    results = kept[0].get("result")
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        place.report("has an annotation without a list of results", labels)
        return
    labels.add(place.image, (), None, place.file)
    for number, result in enumerate(results, 1):
        here = place.at(f"{place.where}, result {number}")
        value = result.get("value")
        if not isinstance(value, dict):
            if result.get("type") == "relation":
                skipped["relation"] += 1
            else:
                here.report("has no value", labels)
        elif isinstance(value.get("choices"), list) and not COORDINATES & value.keys():
            _add_choices(value["choices"], here, labels)
        elif COORDINATES & value.keys():
            sizes = {key: result.get(key) for key in ("original_width", "original_height")}
            turn = {"image_rotation": result.get("image_rotation", 0)}
            add_region(value | sizes | turn, here, labels, options)
        else:
            skipped[ascii(result.get("type"))[:40].strip("'")] += 1


def _read_csv(path: Path, labels: Labels, options: ReadOptions) -> None:
    table = read_rows(path, labels)
    if table is None:
        return
    tasks: dict[str, int] = {}
    for line, values in table.records(path, labels):
        image = _image_of(values, Place("", path, line), labels)
        if image is None:
            return
        first = tasks.setdefault(image, line)
        if first != line:
            message = f"image '{image}' has an annotation in line {first} already"
            labels.report(f"{message}; export one annotation per image", path, line)
            continue
        labels.add(image, (), None, path, line)
        controls: dict[str, Any] = {}
        for heading, cell in values.items():
            if heading in OWN_COLUMNS or not cell:
                continue
            try:
                controls[heading] = json.loads(cell) if cell[0] in "[{" else cell
            except (ValueError, RecursionError):
                labels.report(f"column {heading}: is not well-formed json", path, line)
        _read_controls(controls, values, Place(image, path, line), labels, options)


def _read_controls(
    controls: Mapping[str, Any],
    data: Mapping[str, Any],
    place: Place,
    labels: Labels,
    options: ReadOptions,
) -> None:
    """Columns of a CSV or keys of JSON-MIN: regions, choices, and data of the task."""
    image_key = _image_keys(data)[0]
    for name, content in controls.items():
        here = place.at(f"{place.where} column {name}:".strip())
        if name == image_key:
            continue
        if isinstance(content, str | int | float):
            is_class = CHOICE_COLUMN.search(name) if not options.attribute else False
            if is_class or name == options.attribute:
                _add_choices([content], here, labels)
            elif not options.attribute:
                message = f"could be a class or anything else ({ascii(content)[:40]})"
                here.report(f"{message}; --attribute NAME says which column is the class", labels)
        elif isinstance(content, dict) and isinstance(content.get("choices"), list):
            _add_choices(content["choices"], here, labels)
        else:
            for entry in content if isinstance(content, list) else [content]:
                add_region(entry, here, labels, options)


def _add_choices(choices: Iterable[Any], place: Place, labels: Labels) -> None:
    labels.add(place.image, tuple(choices), None, place.file, place.line, where=place.where)


def _image_keys(data: Mapping[str, Any]) -> list[str]:
    return [name for name in IMAGE_COLUMNS if name in data]


def _image_of(data: Mapping[str, Any], place: Place, labels: Labels) -> str | None:
    """The name of a task's image; None if it has none (a mistake)."""
    keys = _image_keys(data)
    if len(keys) != 1:
        found = ", ".join(map(str, data)) or "nothing"
        accepted = f"one column of images ({', '.join(IMAGE_COLUMNS)}) is expected"
        labels.report(
            f"{place.where} is of Label Studio, but {accepted}, found {found}".strip(),
            place.file,
            place.line,
        )
        return None
    if not isinstance(data[keys[0]], str) or not data[keys[0]].strip():
        place.report(f"has an {keys[0]} that is not the name of a file", labels)
        return None
    return _image_name(data[keys[0]])


def _image_name(text: str) -> str:
    """The file behind Label Studio's URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if "d" in (query := parse_qs(parts.query)):
        return query["d"][0]
    is_url = parts.scheme in ("http", "https", "s3", "gs") or text.startswith("/data/")
    name = unquote(parts.path) if is_url else text
    # An upload gets eight hexadecimal digits in front of its name.
    uploaded = re.fullmatch(r"/data/upload/(?:\d+/)?[0-9a-f]{8}-(.+)", name)
    return uploaded[1] if uploaded else name
