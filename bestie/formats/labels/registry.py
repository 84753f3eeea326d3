"""Formats of label files: what each is called, how it is recognized, who reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bestie.formats.base import DataError
from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.coco import read_coco_labels
from bestie.formats.labels.labelme import read_labelme
from bestie.formats.labels.table import read_table

__all__ = ["FORMATS", "Format", "read_labels"]


@dataclass(frozen=True)
class Format:
    """A format of label files.

    Attributes:
        suffixes: lower-case suffixes of its files; "" stands for a folder.
        read: reads a path into Labels.
        key: text that a json of this format holds and others do not, or "".
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, Labels, ReadOptions], None]
    key: str = ""


FORMATS = {
    "csv": Format((".csv", ".tsv", ".txt"), read_table),
    "labelme": Format(("", ".json"), read_labelme, key='"imagePath"'),
    "coco": Format((".json",), read_coco_labels),
}


def read_labels(
    path: Path, format: str | None = None, options: ReadOptions | None = None
) -> Labels:
    """Read labels of any known format.

    Args:
        path: a table, a json, or a folder of json files.
        format: of FORMATS; None: the one that the suffix and the content show.
        options: how to read what could be read in several ways.

    Returns:
        What the file holds, mistakes included.

    Raises:
        DataError: the file does not exist, or its format is not known.
    """
    if not path.exists():
        raise DataError("--labels: file does not exist", path)
    reader = FORMATS[format] if format else _detect(path)
    labels = Labels()
    reader.read(path, labels, options or ReadOptions())
    if not labels.rows and not labels.problems:
        labels.report("holds no label", path)
    return labels


def _detect(path: Path) -> Format:
    suffix = "" if path.is_dir() else path.suffix.lower() or path.name
    found = [known for known in FORMATS.values() if suffix in known.suffixes]
    if not found:
        accepted = "a .csv or .tsv table, a COCO .json or a folder of LabelMe .json files"
        message = f"--labels: format is not known; {accepted} is expected (or --format)"
        raise DataError(message, path)
    if len(found) > 1:
        content = path.read_bytes().replace(b"\0", b"")  # UTF-16, too
        keyed = [known for known in found if known.key and known.key.encode() in content]
        found = keyed or [known for known in found if not known.key]
    return found[0]
