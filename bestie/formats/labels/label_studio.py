"""Label Studio's CSV export: a row per annotation, its cells json, keypoints in percent.

Columns other than Label Studio's own are the data of the task (the one with the name of an image)
and the controls of the labelling (keypoints: clicks; choices: tags).
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bestie.formats.labels.base import Labels, parse_number

__all__ = ["is_export", "read_rows"]

OWN_COLUMNS = {"annotation_id", "annotator", "created_at", "id", "lead_time", "updated_at"}
SIDES = ("original_width", "original_height")
IMAGE_COLUMNS = ("image", "img", "photo", "picture", "file", "url")


def is_export(headings: list[str]) -> bool:
    """Whether the columns are those of Label Studio's CSV export."""
    return {"annotation_id", "annotator", "lead_time"} <= set(headings)


def read_rows(
    headings: list[str], rows: Iterable[tuple[int, list[str]]], path: Path, labels: Labels
) -> None:
    """Read rows of the export.

    Args:
        headings: of the columns.
        rows: line and fields of each row.
        path: the file, for messages.
        labels: gets rows and mistakes.
    """
    images = [name for name in IMAGE_COLUMNS if name in headings]
    if len(images) != 1:
        found = ", ".join(headings)
        message = f"one column of images ({', '.join(IMAGE_COLUMNS)}) is expected, found {found}"
        labels.report(f"is an export of Label Studio, but {message}", path, 1)
        return
    tasks: dict[str, int] = {}
    for line, fields in rows:
        if not any(fields):
            continue
        if len(fields) != len(headings):
            labels.report(f"{len(fields)} fields under {len(headings)} columns", path, line)
            continue
        values = dict(zip(headings, fields, strict=True))
        image = _image_name(values[images[0]])
        first = tasks.setdefault(image, line)
        if first != line:
            message = f"image '{image}' has an annotation in line {first} already"
            labels.report(f"{message}; export one annotation per image", path, line)
            continue
        labels.add(image, (), None, path, line)
        for heading in headings:
            if heading not in OWN_COLUMNS and heading != images[0] and values[heading]:
                _add_cell(values[heading], heading, image, line, path, labels)


def _image_name(text: str) -> str:
    """The file behind Label Studio's URL."""
    parts = urlsplit(text)
    if "d" in (query := parse_qs(parts.query)):
        return query["d"][0]
    is_url = parts.scheme in ("http", "https", "s3", "gs") or text.startswith("/data/")
    name = unquote(parts.path) if is_url else text
    # An upload gets eight hexadecimal digits in front of its name.
    uploaded = re.fullmatch(r"/data/upload/(?:\d+/)?[0-9a-f]{8}-(.+)", name)
    return uploaded[1] if uploaded else name


def _add_cell(cell: str, heading: str, image: str, line: int, path: Path, labels: Labels) -> None:
    try:
        content = json.loads(cell) if cell[0] in "[{" else {"choices": [cell]}
    except (ValueError, RecursionError):
        labels.report(f"column {heading}: is not well-formed json", path, line)
        return
    if isinstance(content, dict) and isinstance(content.get("choices"), list):
        labels.add(image, tuple(content["choices"]), None, path, line)
        return
    for entry in content if isinstance(content, list) else [content]:
        click = _keypoint(entry)
        if click is None:
            message = f"column {heading}: {json.dumps(entry)[:80]} is not a keypoint with one label"
            labels.report(f"{message}, x, y, original_width and original_height", path, line)
            continue
        x, y, width, height = click
        labels.add(image, tuple(entry["keypointlabels"]), (x, y), path, line)
        labels.add_size(image, height, width, path)


def _keypoint(entry: Any) -> tuple[float, float, float, float] | None:
    """x, y, width and height of the image, pixels; None if an entry is anything else."""
    if not isinstance(entry, dict):
        return None
    names = entry.get("keypointlabels")
    numbers = [parse_number(entry.get(key)) for key in ("x", "y", *SIDES)]
    if not isinstance(names, list) or len(names) != 1 or None in numbers:
        return None
    x, y, width, height = (number for number in numbers if number is not None)
    return x / 100 * width, y / 100 * height, width, height
