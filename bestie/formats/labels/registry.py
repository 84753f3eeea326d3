"""Formats of label files: what each is called, how it is recognized, who reads it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from bestie.formats.base import DataError
from bestie.formats.images import walk_folders
from bestie.formats.labels.base import Labels, ReadOptions, share_mistake
from bestie.formats.labels.coco_labels import read_coco_labels
from bestie.formats.labels.cvat import read_cvat
from bestie.formats.labels.imagej import read_imagej
from bestie.formats.labels.label_studio import read_label_studio
from bestie.formats.labels.labelme import read_labelme
from bestie.formats.labels.napari import read_napari
from bestie.formats.labels.qupath import read_qupath
from bestie.formats.labels.rows import parse_headings
from bestie.formats.labels.table import read_table
from bestie.formats.labels.via import read_via
from bestie.formats.labels.voc import read_voc
from bestie.formats.labels.yolo import read_yolo, read_yolo_obb, read_yolo_segment

__all__ = ["FORMATS", "Format", "read_labels"]

Reader = Callable[[Path, Labels, ReadOptions], None]
# Files of each suffix of a folder that are looked at to recognize its format.
FILES_LOOKED_AT = 20


@dataclass(frozen=True)
class Format:
    """A format of label files.

    Attributes:
        title: for messages.
        suffixes: lower-case suffixes of its files.
        read: reads a file (or a folder of them) into Labels.
        patterns: regular expressions that a text of this format matches, all of them, and others
            do not; none: whatever has the suffix and is no other format.
        headings: columns that a table of this format has, and others do not.
        is_of_folders: whether a folder of such files is read, too.
        is_found: whether it is recognized at all; others need to be named.
        file_per_image: each image has a file of its own.
        is_in_pixels: a click of its files is in pixels from the top left corner: not in shares or
            percent of the image, nor counted from the center of the first pixel.
        options: attributes of ReadOptions that matter to it, besides ``objects_as``.
    """

    title: str
    suffixes: tuple[str, ...]
    read: Reader
    patterns: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    is_of_folders: bool = True
    is_found: bool = True
    file_per_image: bool = False
    is_in_pixels: bool = True
    options: tuple[str, ...] = ()

    def matches(self, suffix: str, text: str) -> bool:
        """Whether a file is of this format."""
        if suffix not in self.suffixes or not self.is_found:
            return False
        if self.headings and suffix in (".csv", ".tsv"):
            return set(self.headings) <= set(parse_headings(text.lstrip("\ufeff#")))
        return all(re.search(pattern, text) for pattern in self.patterns)


# Attribute of ReadOptions -> the option that sets it.
FLAGS = {
    "keypoints": "--keypoints",
    "boxes_as_clicks": "--boxes-as-clicks",
    "flags_are_tags": "--flags-are-tags",
    "class_name": "--class",
    "attribute": "--attribute",
}
# The first line: a class id and 4 or more numbers, or what should be numbers (0,5 or nan).
YOLO_LINE = r"(?i)\A[\ufeff\ufffd]*\s*\d+([ \t]+([-+.,\de]+|[-+]?(nan|inf))){4,}[ \t]*(\r?\n|\Z)"
FORMATS = {
    "csv": Format(
        "a table",
        (".csv", ".tsv", ".txt"),
        read_table,
        is_of_folders=False,
        options=("class_name",),
    ),
    "coco": Format(
        "COCO",
        (".json",),
        read_coco_labels,
        (r'"images"\s*:', r'"categories"\s*:'),
        is_of_folders=False,
        options=("keypoints", "boxes_as_clicks"),
    ),
    "labelme": Format(
        "LabelMe",
        (".json",),
        read_labelme,
        (r'"imagePath"\s*:', r'"shapes"\s*:'),
        options=("keypoints", "boxes_as_clicks", "flags_are_tags"),
        file_per_image=True,
    ),
    "cvat": Format(
        "CVAT for images",
        (".xml",),
        read_cvat,
        (r"<annotations\b",),
        options=("keypoints", "boxes_as_clicks"),
    ),
    "label-studio": Format(
        "Label Studio",
        (".json", ".csv"),
        read_label_studio,
        (r"\A\s*\[", r'"annotation_id"\s*:|"data"\s*:'),
        ("annotation_id", "annotator", "lead_time"),
        is_of_folders=False,
        options=("boxes_as_clicks", "class_name", "attribute"),
        is_in_pixels=False,
    ),
    "via": Format(
        "VIA",
        (".json", ".csv"),
        read_via,
        (r'"_via_img_metadata"\s*:|"shape_attributes"\s*:|"file_attributes"\s*:',),
        ("region_shape_attributes", "region_attributes"),
        is_of_folders=False,
        options=("boxes_as_clicks", "class_name", "attribute"),
    ),
    "voc": Format(
        "Pascal VOC",
        (".xml",),
        read_voc,
        (r"<annotation[\s>]",),
        options=("boxes_as_clicks",),
        file_per_image=True,
    ),
    "yolo": Format(
        "YOLO",
        (".txt",),
        read_yolo,
        (YOLO_LINE,),
        options=("keypoints", "boxes_as_clicks"),
        file_per_image=True,
        is_in_pixels=False,
    ),
    "yolo-segment": Format(
        "YOLO's outlines",
        (".txt",),
        read_yolo_segment,
        is_found=False,
        file_per_image=True,
        is_in_pixels=False,
    ),
    "yolo-obb": Format(
        "YOLO's oriented boxes",
        (".txt",),
        read_yolo_obb,
        is_found=False,
        options=("boxes_as_clicks",),
        file_per_image=True,
        is_in_pixels=False,
    ),
    "qupath": Format(
        "QuPath's GeoJSON",
        (".geojson", ".json"),
        read_qupath,
        (r'"type"\s*:\s*"Feature',),
        options=("class_name",),
        file_per_image=True,
    ),
    "imagej": Format(
        "ImageJ's ROIs",
        (".zip", ".roi"),
        read_imagej,
        (r"\.roi|\AIout",),
        options=("boxes_as_clicks", "class_name"),
        file_per_image=True,
    ),
    "napari": Format(
        "napari's points",
        (".csv",),
        read_napari,
        (),
        ("index", "axis-0"),
        options=("class_name",),
        file_per_image=True,
        is_in_pixels=False,
    ),
}
# What a file is taken for whose content matches no format, by its suffix: its reader's message then
# says what is wrong with it.
FALLBACKS = {
    ".json": "coco",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".geojson": "qupath",
    ".zip": "imagej",
    ".roi": "imagej",
}
# The same for the files of a folder.
FOLDER_FALLBACKS = {".json": "labelme", ".txt": "yolo"}


def read_labels(
    path: Path, format: str | None = None, options: ReadOptions | None = None
) -> Labels:
    """Read labels of any known format.

    Args:
        path: a file, or a folder of files.
        format: of FORMATS; None: the one that the suffix and the content show.
        options: how to read what could be read in several ways.

    Returns:
        What the file holds, mistakes included.

    Raises:
        DataError: the file does not exist, or its format is not known, or could be several.
        ValueError: an option that has no effect on this format, or on these labels.
    """
    options = options or ReadOptions()
    if not path.exists():
        raise DataError("--labels: file does not exist", path)
    reader = FORMATS[format] if format else FORMATS[_detect(path)]
    if path.is_dir() and not reader.is_of_folders:
        raise DataError(f"--labels: is a folder; {reader.title} is one file", path)
    _require_effect(options, reader, path)
    labels = Labels(file_per_image=reader.file_per_image)
    reader.read(path, labels, options)
    if reader.is_in_pixels:
        _report_shares(labels)
    if options.keypoints is not None and not labels.has_choice and not labels.problems:
        raise ValueError(f"--keypoints has no effect: no object of {path} has several points")
    if not labels.rows and not labels.problems:
        labels.report("holds no label", path)
    return labels


def _report_shares(labels: Labels) -> None:
    """Report clicks that are all shares of the image."""
    clicks = [(row, row.xy) for row in labels.rows if row.xy is not None]
    if found := share_mistake([xy for _, xy in clicks]):
        row = clicks[found[0]][0]
        labels.report(f"{row.where} {found[1]}".strip(), row.file, row.line)


def _require_effect(options: ReadOptions, reader: Format, path: Path) -> None:
    for field in fields(ReadOptions):
        name, flag = field.name, FLAGS.get(field.name)
        if flag and getattr(options, name) != field.default and name not in reader.options:
            titles = ", ".join(f.title for f in FORMATS.values() if name in f.options)
            raise ValueError(
                f"{flag} has no effect: {path} is read as {reader.title}; it matters to {titles}"
            )


def _detect(path: Path) -> str:
    """Name of the format that a file or the files of a folder have."""
    files = _samples(path) if path.is_dir() else [path]
    found: dict[str, Path] = {}
    for file in files:
        for name in _matching(file):
            found.setdefault(name, file)
    if path.is_dir():
        found = {name: file for name, file in found.items() if FORMATS[name].is_of_folders}
        for suffix, name in FOLDER_FALLBACKS.items():
            if not found and any(file.suffix.lower() == suffix for file in files):
                return name
    elif not found and (fallback := FALLBACKS.get(path.suffix.lower())):
        return fallback
    if not found:
        titles = ", ".join(dict.fromkeys(format.title for format in FORMATS.values()))
        message = f"--labels: format is not known; {titles} are accepted (see --format)"
        raise DataError(message, path)
    if len(found) > 1:
        shown = ", ".join(f"{name} ({file.name})" for name, file in found.items())
        raise DataError(f"--labels: could be several formats: {shown}; choose by --format", path)
    return next(iter(found))


def _samples(folder: Path) -> list[Path]:
    """The first files of each suffix in a folder."""
    known = {suffix for format in FORMATS.values() for suffix in format.suffixes}
    found: dict[str, list[Path]] = {suffix: [] for suffix in known}
    for place, _, names in walk_folders(folder):
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if suffix in known and not name.startswith("._"):
                if len(found[suffix]) < FILES_LOOKED_AT:
                    found[suffix].append(Path(place, name))
    return [file for files in found.values() for file in files]


def _matching(file: Path) -> list[str]:
    suffix = file.suffix.lower()
    try:
        content = file.read_bytes().replace(b"\0", b"")  # UTF-16, too
    except OSError:
        return []
    text = content.decode("utf-8", "replace")
    found = [name for name, format in FORMATS.items() if format.matches(suffix, text)]
    # A table without the headings of another format is an ordinary one.
    return [name for name in found if name != "csv"] or found
