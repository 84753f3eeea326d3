"""Label Studio's exports JSON, JSON-MIN and CSV.

Keypoints are clicks, polygons, ellipses and brushes are masks, rectangles are boxes, choices are
tags. Its coordinates are percent of the image: x = 50 of an image of 640 pixels is 320. The
columns of a CSV, and the keys of JSON-MIN, that are not Label Studio's own are the data of the
task (the one with the name of an image) and the controls of the labelling. An annotation per image
is expected, and cancelled ones do not count. Predictions are not read.

Choices of several controls ("animal" and "quality"), or regions of one kind of several controls,
are a mistake unless ``ReadOptions.attribute`` names the control that counts.

Brushes need the library label-studio-sdk, which has Label Studio's own code for them.

Source: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bestie.formats.labels.base import Labels, ReadOptions, read_json
from bestie.formats.labels.label_studio_regions import COORDINATES, add_region, label_key
from bestie.formats.labels.objects import Place
from bestie.formats.labels.rows import read_rows

__all__ = ["read_label_studio"]

OWN_COLUMNS = {"annotation_id", "annotator", "created_at", "id", "lead_time", "updated_at"}
OWN_COLUMNS |= {"agreement", "annotation_id", "completed_by", "project", "inner_id"}
CHOICE_COLUMN = re.compile("choice|class|label|tag|categor", re.IGNORECASE)
IMAGE_COLUMNS = ("image", "img", "photo", "picture", "file", "url")


@dataclass(frozen=True)
class _Result:
    """What one control of the labelling says of an image.

    Attributes:
        control: its name: ``from_name``, or the column.
        kind: "choices", or which labels the region has ("keypointlabels"); "" if it has none.
        value: a list of choices, or a region.
        place: for messages.
    """

    control: str
    kind: str
    value: Any
    place: Place


@dataclass
class _Export:
    """What an export holds, before it is decided which controls count.

    Attributes:
        results: place of each image -> its results.
        columns: of a CSV or JSON-MIN, as far as they could be controls.
        skipped: type of results that are not labels -> their number.
    """

    results: dict[Place, list[_Result]] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


def read_label_studio(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read an export of Label Studio; see the module."""
    export = _Export()
    if path.suffix.lower() in (".csv", ".tsv"):
        is_read = _read_csv(path, export, labels, options)
    else:
        is_read = _read_json(path, export, labels, options)
    if is_read:
        _add_results(path, export, labels, options)


def _read_json(path: Path, export: _Export, labels: Labels, options: ReadOptions) -> bool:
    """Read an export JSON or JSON-MIN; whether it is one."""
    content = read_json(path, labels)
    if content is None:
        return False
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        labels.report("is not a list of tasks; Label Studio's json is expected", path)
        return False
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
            _read_task(task, place, export, labels)
        else:
            export.results[place] = []
            controls = {key: task[key] for key in task if key not in OWN_COLUMNS}
            _read_controls(controls, data, place, export, labels, options)
    return True


def _read_task(task: Mapping[str, Any], place: Place, export: _Export, labels: Labels) -> None:
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
    of_image = export.results.setdefault(place, [])
    for number, result in enumerate(results, 1):
        here = place.at(f"{place.where}, result {number}")
        value, control = result.get("value"), result.get("from_name")
        control = control if isinstance(control, str) else ""
        if not isinstance(value, dict):
            if result.get("type") == "relation":
                export.skipped["relation"] += 1
            else:
                here.report("has no value", labels)
        elif isinstance(value.get("choices"), list) and not COORDINATES & value.keys():
            of_image.append(_Result(control, "choices", value["choices"], here))
        elif COORDINATES & value.keys():
            sizes = {key: result.get(key) for key in ("original_width", "original_height")}
            turn = {"image_rotation": result.get("image_rotation", 0)}
            of_image.append(_Result(control, label_key(value), value | sizes | turn, here))
        else:
            export.skipped[ascii(result.get("type"))[:40].strip("'")] += 1


def _read_csv(path: Path, export: _Export, labels: Labels, options: ReadOptions) -> bool:
    """Read a CSV; whether it is one."""
    table = read_rows(path, labels)
    if table is None:
        return False
    tasks: dict[str, int] = {}
    for line, values in table.records(path, labels):
        image = _image_of(values, Place("", path, line), labels)
        if image is None:
            return False
        first = tasks.setdefault(image, line)
        if first != line:
            message = f"image '{image}' has an annotation in line {first} already"
            labels.report(f"{message}; export one annotation per image", path, line)
            continue
        controls: dict[str, Any] = {}
        for heading, cell in values.items():
            if heading in OWN_COLUMNS:
                continue
            try:
                controls[heading] = json.loads(cell) if cell[:1] in ("[", "{") else cell
            except (ValueError, RecursionError):
                labels.report(f"column {heading}: is not well-formed json", path, line)
        place = Place(image, path, line)
        export.results[place] = []
        _read_controls(controls, values, place, export, labels, options)
    return True


def _read_controls(
    controls: Mapping[str, Any],
    data: Mapping[str, Any],
    place: Place,
    export: _Export,
    labels: Labels,
    options: ReadOptions,
) -> None:
    """Columns of a CSV or keys of JSON-MIN: regions, choices, and data of the task."""
    image_key = _image_keys(data)[0]
    for name, content in controls.items():
        if name == image_key:
            continue
        export.columns[name] = None
        here = place.at(f"{place.where} column {name}:".strip())
        if content == "" and place.line is not None:  # a cell of the CSV without content
            continue
        if isinstance(content, str | int | float):
            if name == options.attribute or CHOICE_COLUMN.search(name):
                export.results[place].append(_Result(name, "choices", [content], here))
            elif not options.attribute:
                message = f"could be a class or anything else ({ascii(content)[:40]})"
                here.report(f"{message}; --attribute NAME says which column is the class", labels)
        elif isinstance(content, dict) and isinstance(content.get("choices"), list):
            export.results[place].append(_Result(name, "choices", content["choices"], here))
        else:
            for entry in content if isinstance(content, list) else [content]:
                export.results[place].append(_Result(name, label_key(entry), entry, here))


def _add_results(path: Path, export: _Export, labels: Labels, options: ReadOptions) -> None:
    """Add the images and the results of the controls that count."""
    results = [result for found in export.results.values() for result in found]
    mistake = _control_mistake(results, export, options)
    if mistake:
        labels.report(mistake, path)
    unused: Counter[str] = Counter()
    for place, found in export.results.items():
        labels.add(place.image, (), None, place.file, place.line)
        for result in found if not mistake else []:
            here = result.place
            if options.attribute not in (None, result.control):
                unused[result.control] += 1
            elif result.kind == "choices":
                choices = tuple(result.value)
                labels.add(here.image, choices, None, here.file, here.line, where=here.where)
            else:
                add_region(result.value, here, labels, options)
    for kind, count in export.skipped.items():
        labels.notes.append(f"{count} results of the type {kind} are not used")
    for control, count in unused.items():
        message = f"{count} results of {ascii(control)} are not used"
        labels.notes.append(f"{message} (--attribute {options.attribute})")


def _control_mistake(
    results: Sequence[_Result], export: _Export, options: ReadOptions
) -> str | None:
    """Why it is not clear which control is the class; None if it is."""
    controls: dict[str, dict[str, None]] = defaultdict(dict)
    for result in results:
        controls[result.kind][result.control] = None
    known = dict.fromkeys(name for names in controls.values() for name in names if name)
    known |= export.columns
    advice = "--attribute NAME chooses one"
    if options.attribute is not None:
        if options.attribute in known:
            return None
        found = ", ".join(map(ascii, known)) or "none"
        return f"has no labels of --attribute {ascii(options.attribute)[:40]}; found: {found}"
    # Regions of different kinds may have a control each: polygons and brushes of the same classes.
    for kind, names in controls.items():
        if kind and len(names) > 1:
            found = ", ".join(map(ascii, names))
            return f"has {kind} of several controls ({found}); {advice}"
    # Choices that no region has are another question: "good" beside rectangles of cats.
    answers = {ascii(name) for r in results if r.kind == "choices" for name in r.value}
    if len(controls) > 1 and answers - {name for r in results for name in _region_labels(r)}:
        found = ", ".join(map(ascii, known))
        return f"has choices and regions of several classes ({found}); {advice}"
    return None


def _region_labels(result: _Result) -> list[str]:
    found = result.value.get(result.kind) if isinstance(result.value, dict) else None
    return list(map(ascii, found)) if isinstance(found, list) and result.kind != "choices" else []


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
    # The prefix of an upload (/data/upload/1/1a2b3c4d-a.png) stays: ``photos`` knows what is there.
    return unquote(parts.path) if is_url else text
