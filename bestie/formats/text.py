"""Text files of the folder contract: class names, splits, tags, points.

A path gives lists, dicts and :class:`Points`.
"""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

import numpy as np

from bestie.formats.base import DataError, atomic_write, read_lines, reporter

__all__ = [
    "MAX_CLASSES",
    "Points",
    "check_class_names",
    "check_ids",
    "read_class_file",
    "read_ids",
    "read_points",
    "read_tag_lines",
    "read_xml_labels",
    "write_points",
]

# A semantic map stores class c as c + 1 in 8 bits, 255 being "ignore".
MAX_CLASSES = 254


@dataclass
class Points:
    """The points of one image.

    Attributes:
        yx (ndarray): (P, 2) float64, (y, x), pixel indices (fractions allowed).
        classes (ndarray): (P,) int64, 0..C-1.
        scores (ndarray): (P,) float32, confidence in [0, 1]; clicks have 1.
        lines (ndarray | None): (P,) int64, line of each point in the file that it was read from.
    """

    yx: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    lines: np.ndarray | None = None

    def __post_init__(self) -> None:
        assert self.yx.shape == (len(self.classes), 2) and len(self.scores) == len(self.classes)

    def __len__(self) -> int:
        return len(self.classes)


def read_class_file(path: str | os.PathLike, problems: list[DataError] | None = None) -> list[str]:
    """Read a file of class names: one a line, class ids counting from 0 in this order.

    Args:
        path: the file.
        problems: if given, mistakes are appended to it instead of raised (here and in the readers
            below), so that a caller can report all of them.

    Raises:
        DataError: missing or empty file, an empty line between names, a name given twice, more than
            254 names.
    """
    path = Path(path)
    report = reporter(path, problems)
    lines = read_lines(path, report)
    if lines is None:
        return []
    names = [name.strip() for name in lines]
    while names and not names[-1]:
        names.pop()
    if not names:
        report("is empty; one class name per line is expected")
    first_line: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            report("empty line between class names (it would shift the class ids)", number)
        elif name in first_line:
            report(f"class name '{name}' is already in line {first_line[name]}", number)
        else:
            first_line[name] = number
    if len(names) > MAX_CLASSES:
        report(f"{len(names)} classes; a semantic map holds at most {MAX_CLASSES}")
    return names


def check_class_names(names: Sequence[str], path: str | os.PathLike) -> None:
    """Raise a DataError if class names would not be read again as they are.

    Args:
        names: to be written, one a line.
        path: the file that would be written.
    """
    report = reporter(Path(path), None)
    for position, name in enumerate(names):
        if len(name.splitlines()) > 1 or "\0" in name or not name or name != name.strip():
            report(f"class name {name!r}: a line of text without blanks around it is expected")
        if name in names[:position]:
            report(f"class name '{name}' is given twice")
    if not 0 < len(names) <= MAX_CLASSES:
        report(f"{len(names)} class names; 1 to {MAX_CLASSES} are expected")


def check_ids(ids: Iterable[str], path: str | os.PathLike) -> None:
    """Raise a DataError if image ids would not be read again as they are.

    Args:
        ids: to be written.
        path: the file that would be written.
    """
    report = reporter(Path(path), None)
    known = set()
    for image_id in ids:
        if mistake := "is empty or holds blanks" * (image_id.split() != [image_id]):
            report(f"id {image_id!r} {mistake}")
        if mistake := _id_mistake(image_id) or "is given twice" * (image_id in known):
            report(f"id {image_id!r} {mistake}")
        known.add(image_id)


def read_ids(
    path: str | os.PathLike, problems: list[DataError] | None = None, hint: str = ""
) -> list[str]:
    """Read a list of images: one image id per line.

    Args:
        path: the file.
        problems: see :func:`read_class_file`.
        hint: ends the message about a missing file.

    Returns:
        The ids in file order, each once; blank lines do not count.

    Raises:
        DataError: missing or empty file, a line with more than an id, an id given twice or with a
            path in it.
    """
    report = reporter(Path(path), problems)
    lines = read_lines(Path(path), report, hint)
    if lines is None:
        return []
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) > 1:
            message = "one image id per line is expected (ids hold no spaces)"
            report(f"'{line.strip()}': {message}", number)
        elif _id_mistake(fields[0]):
            report(f"id '{fields[0]}' {_id_mistake(fields[0])}", number)
        elif fields[0] in first_line:
            report(f"id '{fields[0]}' is already in line {first_line[fields[0]]}", number)
        else:
            first_line[fields[0]] = number
    if not first_line:
        report("is empty; one image id per line is expected")
    return list(first_line)


def _id_mistake(image_id: str) -> str | None:
    """An id is the name of a file, never a path that could lead out of the root."""
    if "/" in image_id or "\\" in image_id or image_id in (".", ".."):
        return "holds a path; the name of the image file, without folder and suffix, is expected"
    return None if image_id.isprintable() else "holds characters that cannot be printed"


def read_tag_lines(
    path: str | os.PathLike, class_names: list[str], problems: list[DataError] | None = None
) -> dict[str, list[int]]:
    """Read a file of tags, ``<id> <class> <class> ...`` a line: image id -> sorted class ids.

    An image can be named without classes: it holds no object.

    Raises:
        DataError: a malformed line, a class out of range, an id given twice.
    """
    report = reporter(Path(path), problems)
    labels: dict[str, list[int]] = {}
    for number, line in enumerate(read_lines(Path(path), report) or [], 1):
        if not line.strip():
            continue
        image_id, *fields = line.split()
        mistake = "is listed twice" if image_id in labels else _id_mistake(image_id)
        if mistake:
            report(f"id '{image_id}' {mistake}", number)
            continue
        accepted = f"class ids 0..{len(class_names) - 1} of classes.txt are expected"
        tags = set()
        for field in fields:
            if not _is_class_id(field.removeprefix("-")):
                report(f"'{field}' is not a class id; {accepted}", number)
            elif not 0 <= int(field) < len(class_names):
                report(f"class {field} is out of range; {accepted}", number)
            else:
                tags.add(int(field))
        labels[image_id] = sorted(tags)
    return labels


def read_xml_labels(
    path: str | os.PathLike, class_names: list[str], problems: list[DataError] | None = None
) -> list[int]:
    """Read the tags of one image from a VOC-style xml file: sorted class ids of all its objects.

    Raises:
        DataError: missing or malformed file, an object of a class that is not in ``class_names``.
    """
    report = reporter(Path(path), problems)
    try:
        names = _object_names(Path(path).read_bytes())
    except FileNotFoundError:
        report("file does not exist")
    except OSError as error:
        report(f"cannot be read ({error.strerror})")
    except expat.ExpatError as error:
        report(f"is not well-formed xml ({error})", error.lineno)
    except (ValueError, LookupError) as error:  # its declared encoding
        report(f"is not well-formed xml ({error})", 1)
    else:
        for line, name in names:
            if name not in class_names:
                report(f"object of the class '{name}', which is not in classes.txt", line)
        return sorted({class_names.index(name) for _, name in names if name in class_names})
    return []


def _object_names(xml: bytes) -> list[tuple[int, str]]:
    """Line and name of each ``<object>`` directly under the root of a VOC-style xml file."""
    parser = expat.ParserCreate()
    path: list[str] = []  # names of the elements around the present place
    lines: list[int] = []
    names: list[str] = []

    def start(tag: str, attributes: dict) -> None:
        path.append(tag)
        if path[1:] == ["object"]:
            lines.append(parser.CurrentLineNumber)
            names.append("")

    def text(characters: str) -> None:
        if path[1:] == ["object", "name"]:
            names[-1] += characters

    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda tag: path.pop()
    parser.Parse(xml, True)
    return [(line, name.strip()) for line, name in zip(lines, names, strict=True)]


def read_points(path: str | os.PathLike, problems: list[DataError] | None = None) -> Points:
    """Read a point file: ``x y class confidence`` a line; an empty file means no points.

    Args:
        path: the file.
        problems: see :func:`read_class_file`.

    Raises:
        DataError: missing file, or a line without exactly four fields: two finite numbers, a class
            id (an integer of 0 or more) and a confidence in [0, 1].
    """
    report = reporter(Path(path), problems)
    rows, lines = [], []
    for number, line in enumerate(read_lines(Path(path), report) or [], 1):
        fields = line.split()
        if not fields:
            continue
        mistake = _point_mistake(fields)
        if mistake:
            report(f"'{line.strip()}': {mistake}; 'x y class confidence' is expected", number)
            continue
        rows.append([float(fields[1]), float(fields[0]), int(fields[2]), float(fields[3])])
        lines.append(number)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Points(
        yx=table[:, :2].copy(),
        classes=table[:, 2].astype(np.int64),
        scores=table[:, 3].astype(np.float32),
        lines=np.array(lines, dtype=np.int64),
    )


def _point_mistake(fields: list[str]) -> str | None:
    if len(fields) != 4:
        return f"{len(fields)} fields"
    try:
        x, y, score = (float(fields[i]) for i in (0, 1, 3))
    except ValueError:
        return "not a number"
    if "_" in "".join(fields):  # Python reads 1_0 as 10
        return "not a number"
    if not (math.isfinite(x) and math.isfinite(y)):
        return "a coordinate is not finite"
    if not _is_class_id(fields[2]):
        return f"class '{fields[2]}' is not a class id (0, 1, ...)"
    return None if 0 <= score <= 1 else f"confidence {fields[3]} is not in [0, 1]"


def write_points(path: str | os.PathLike, points: Points) -> None:
    """Write ``x y class confidence`` a line, atomically.

    Raises:
        DataError: a point that would not be read again, or lies left of or above every image.
    """
    scores = np.asarray(points.scores, np.float32)
    wrong = ~np.isfinite(points.yx).all(axis=1) | (points.yx < 0).any(axis=1)
    wrong |= (points.classes < 0) | ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        (y, x), class_id, score = points.yx[index], points.classes[index], scores[index]
        raise DataError(
            f"point {index + 1}: x {x:g}, y {y:g}, class {class_id}, confidence {score:g}; x and y "
            "of 0 or more, a class id (0, 1, ...) and a confidence in [0, 1] are expected",
            path,
        )
    rows = zip(points.yx, points.classes, points.scores, strict=True)
    with atomic_write(path) as file:
        for (y, x), class_id, score in rows:
            file.write(f"{x:.10g} {y:.10g} {int(class_id)} {np.float32(score)!s}\n")


def _is_class_id(text: str) -> bool:
    """Whether the text is a whole number, 0 or more, that fits an int64."""
    return text.isascii() and text.isdigit() and len(text) < 10
