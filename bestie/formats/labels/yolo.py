"""YOLO's text files: a file per image, a line per object, all numbers shares of the image.

- detect, ``class x y width height``: boxes;
- segment, ``class x y x y x y ...``: masks;
- pose, ``class x y width height`` and x, y (, visibility) of each keypoint, if ``kpt_shape`` of
  the data.yaml states them: clicks; of several keypoints ``ReadOptions.keypoints`` chooses one.
  Without it, files whose objects all have as many numbers could be of this kind (a mistake);
- oriented boxes, ``class`` and four corners: only with ``--format yolo-obb``.

Names of the classes are in data.yaml, classes.txt or obj.names, beside the files or in a folder
above; several such files must agree. A file without lines is an image without objects. The image of
``labels/day1/a.txt`` is ``day1/a``, with any suffix.

Source: https://docs.ultralytics.com/datasets/ (detect, segment, pose, obb)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bestie.formats.base import DataError, read_lines
from bestie.formats.dataset_folder import CLASSES_FILE
from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    clean_class,
    list_files,
    parse_number,
)
from bestie.formats.labels.objects import Place, add_object, choose_point
from bestie.formats.labels.shapes import Outline, parse_flat_ring

__all__ = ["read_yolo", "read_yolo_obb", "read_yolo_segment"]

NAME_LISTS = (CLASSES_FILE, "obj.names")
YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml")
NAME_FILES = (*YAML_FILES, *NAME_LISTS)
NAME_SUFFIXES = (".yaml", ".yml", ".txt", ".names")
NO_NAMES = "has no names (a list, or number: name) of the classes"
LEVELS = 2  # folders above the user's in which names of classes are looked for
TOLERANCE = 1e-3  # tools round: shares may leave [0, 1] by this


@dataclass(frozen=True)
class _Names:
    """What stands beside the files: where, class id -> name, numbers per keypoint and keypoints."""

    file: Path
    names: dict[int, str]
    keypoints: tuple[int, int] | None = None


def read_yolo(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read the files of a folder, or one; see the module."""
    _read(path, labels, options, "")


def read_yolo_segment(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read files of outlines."""
    _read(path, labels, options, "segment")


def read_yolo_obb(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read files of oriented boxes."""
    _read(path, labels, options, "obb")


def _read(path: Path, labels: Labels, options: ReadOptions, kind: str) -> None:
    files = _label_files(path)
    if not files:
        labels.report("holds no .txt file of YOLO", path)
        return
    names = _find_names(files[0], path, labels)
    if names is None:
        return
    lines = [(file, *line) for file in files for line in _lines(file, labels)]
    labels.has_choice = names.keypoints is not None and names.keypoints[0] > 1
    if names.keypoints and kind:
        message = f"its kpt_shape states keypoints, which --format yolo reads, not yolo-{kind}"
        labels.report(message, names.file)
    counts = {len(fields) - 1 for *_, fields in lines}
    if names.keypoints:
        kind = "pose"
    elif not kind:
        kind = "tags" if options.objects_as == "tags" else _kind(counts, path, labels)
    if not kind:
        return
    for file in files:
        labels.add(_image_name(file, path), (), None, file)
    for file, line, fields in lines:
        place = Place(_image_name(file, path), file, line)
        _read_line(fields, kind, names, place, labels, options)


def _kind(counts: set[int], path: Path, labels: Labels) -> str:
    """ "detect" or "segment"; "" if the files could be something else, too (a mistake).

    Args:
        counts: of the numbers after the class; objects with keypoints have one number of them.
        path, labels: for the mistake.
    """
    others = counts - {4}
    if not others:
        return "detect"
    number = min(others)
    # Beside boxes, no object has keypoints.
    if others != {number} or number < 6 or (number != 8 and 4 in counts):
        return "segment"
    kinds = "outlines (--format yolo-segment) or "
    if number == 8:
        kinds += "oriented boxes (--format yolo-obb) or "
    which = "each object that is no box" if 4 in counts else "each object"
    message = f"{which} has {number} numbers after its class: {kinds * (number % 2 == 0)}"
    labels.report(f"{message}keypoints? Those need the data.yaml with kpt_shape", path)
    return ""


def _label_files(path: Path) -> list[Path]:
    """Files of a folder called labels; without one, all .txt files but those of names."""
    if not path.is_dir():
        return [path]
    files = [file for file in list_files(path, (".txt",)) if file.name not in NAME_LISTS]
    inside = [file for file in files if "labels" in file.relative_to(path).parts[:-1]]
    if (path / "obj.names").is_file():  # darknet's: lists of images beside a folder of labels
        return [file for file in files if file.parent != path]
    return inside or files


def _image_name(file: Path, path: Path) -> str:
    """Path of an image without suffix, under the folder of the labels."""
    relative = file.relative_to(path if path.is_dir() else path.parent).with_suffix("")
    parts = relative.parts
    if "labels" in parts[:-1]:
        parts = parts[len(parts) - 1 - parts[-2::-1].index("labels") :]
    elif parts[0].startswith("obj_") and parts[0].endswith("_data"):
        parts = parts[1:]
    return "/".join(parts)


def _find_names(file: Path, path: Path, labels: Labels) -> _Names | None:
    """Names in the folder of a file of labels, or above it."""
    places = list(file.absolute().parents)
    depth = len(file.absolute().relative_to(path.absolute()).parts) if path.is_dir() else 1
    for place in places[: depth + LEVELS]:
        found = [place / name for name in NAME_FILES if (place / name).is_file()]
        if found:
            names = _read_names(found[0], labels)
            return names if names and _agrees(names, found[1:], path, labels) else None
    accepted = ", ".join(NAME_FILES)
    missing = f"names of the classes are missing: none of {accepted} beside the files"
    labels.report(f"is read as YOLO, but {missing}", path)
    return None


def _agrees(names: _Names, beside: list[Path], path: Path, labels: Labels) -> bool:
    """Whether all files of names beside these, and in the user's folder, hold the same."""
    inside = list_files(path, NAME_SUFFIXES) if path.is_dir() else []
    files = [*beside, *(file.absolute() for file in inside if file.name in NAME_FILES)]
    for file in dict.fromkeys(file for file in files if file != names.file):
        read = Labels()
        other = _read_names(file, read)
        # A yaml without names (of another tool) says nothing; other mistakes count.
        labels.problems += [problem for problem in read.problems if problem.message != NO_NAMES]
        if other and other.names != names.names:
            shown = ascii(list(other.names.values()))[:80]
            here = ascii(list(names.names.values()))[:80]
            message = f"its classes {shown} differ from {here} of {names.file}"
            labels.report(f"{message}; keep the file that is right", file)
            return False
    return True


def _read_names(file: Path, labels: Labels) -> _Names | None:
    return _read_yaml(file, labels) if file.name in YAML_FILES else _read_list(file, labels)


def _read_list(file: Path, labels: Labels) -> _Names | None:
    def report(message: str, line: int | None = None) -> None:
        labels.report(message, file, line)

    lines = read_lines(file, report)
    if lines is None:
        return None
    names = [clean_class(line) for line in lines]
    while names and not names[-1]:
        names.pop()
    return _Names(file, dict(enumerate(names)))


def _read_yaml(file: Path, labels: Labels) -> _Names | None:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        labels.report(f"cannot be read ({ascii(str(error))[:200]})", file)
        return None
    found = content.get("names") if isinstance(content, dict) else None
    names = dict(enumerate(found)) if isinstance(found, list) else found
    if not isinstance(names, dict) or not all(
        type(key) is int and isinstance(name, str) for key, name in names.items()
    ):
        labels.report(NO_NAMES, file)
        return None
    names = {key: clean_class(name) for key, name in names.items()}
    count = content.get("nc")
    if count is not None and parse_number(count) != len(names):
        message = f"its nc {ascii(count)[:40]} is not the number of its names, {len(names)}"
        labels.report(message, file)
        return None
    shape = content.get("kpt_shape")
    if shape is None:
        return _Names(file, names)
    if not (
        isinstance(shape, list)
        and len(shape) == 2
        and all(type(n) is int for n in shape)
        and shape[0] > 0
        and shape[1] in (2, 3)
    ):
        labels.report(f"its kpt_shape {ascii(shape)[:40]} is not [keypoints, 2 or 3]", file)
        return None
    return _Names(file, names, (shape[0], shape[1]))


def _lines(file: Path, labels: Labels) -> Iterator[tuple[int, list[str]]]:
    """Line and fields of each object."""
    problems: list[DataError] = []

    def report(message: str, line: int | None = None) -> None:
        problems.append(DataError(message, file, line))

    for number, line in enumerate(read_lines(file, report) or [], 1):
        if line.strip():
            yield number, line.split()
    labels.problems += problems


def _read_line(
    fields: list[str],
    kind: str,
    names: _Names,
    place: Place,
    labels: Labels,
    options: ReadOptions,
) -> None:
    values = [number for text in fields[1:] if (number := parse_number(text)) is not None]
    if len(values) < len(fields) - 1 or not (fields[0].isascii() and fields[0].isdigit()):
        advice = "; decimals have a point" if any("," in text for text in fields) else ""
        place.report(f"'{' '.join(fields)[:60]}' is not a class id and numbers{advice}", labels)
        return
    name = names.names.get(int(fields[0][:9]))
    if name is None:
        place.report(f"class {fields[0][:20]} is not in {names.file}", labels)
        return
    parts = _parts(values, kind, names, options)
    if isinstance(parts, str):
        place.report(parts, labels)
    elif parts is not None:
        add_object(labels, options, place, name, is_share=True, **parts)
    else:
        labels.add(place.image, (name,), None, place.file, place.line, is_object=True)


def _parts(
    values: list[float], kind: str, names: _Names, options: ReadOptions
) -> dict | str | None:
    """Point, box or mask of a line; what is wrong with it; None: no visible keypoint, or a tag."""
    if kind == "tags":  # whatever the numbers say
        return None
    if kind == "pose" and names.keypoints:
        number, size = names.keypoints
        if len(values) != 4 + number * size:
            return f"{len(values)} numbers; 4 and {number} keypoints of {size} are expected"
        triples = [values[4 + i * size : 4 + (i + 1) * size] for i in range(number)]
        if size == 3 and any(triple[2] not in (0, 1, 2) for triple in triples):
            return "the visibility of a keypoint is not 0, 1 or 2"
        visible = [(triple[0], triple[1]) for triple in triples if triple[2:] != [0]]
        if not visible:
            return None
        point = choose_point(visible, options)
        if isinstance(point, str):
            return point
        return _outside([point]) or {"point": point}
    if kind == "obb" and len(values) == 8:
        xs, ys = values[::2], values[1::2]
        mistake = _outside([(min(xs), min(ys)), (max(xs), max(ys))])
        return mistake or {"box": (min(xs), min(ys), max(xs), max(ys))}
    if len(values) == 4 and kind != "obb":
        x, y, width, height = values
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        mistake = "a negative width or height" if min(width, height) < 0 else None
        return mistake or _outside([box[:2], box[2:]]) or {"box": box}
    ring = parse_flat_ring(values) if kind == "segment" else None
    if ring is None:
        accepted = {"detect": "4", "segment": "4, or x and y of 3 or more points", "obb": "8"}
        return f"{len(values)} numbers after the class; {accepted.get(kind, '4')} are expected"
    return _outside(list(ring)) or {"mask": Outline.of_rings([ring])}


def _outside(points: list[tuple[float, float]]) -> str | None:
    for x, y in points:
        if not (-TOLERANCE <= min(x, y) and max(x, y) <= 1 + TOLERANCE):
            return f"x {x:g}, y {y:g} is outside [0, 1]: shares of the image are expected"
    return None
