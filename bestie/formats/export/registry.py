"""Formats that labels can be written in, and writing one of them."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from bestie.formats.base import DataError
from bestie.formats.dataset_folder import IMAGES, DatasetFolder
from bestie.formats.export.base import ExportOptions, LabelSet, Package
from bestie.formats.export.coco import write_coco_labels
from bestie.formats.export.cvat import write_cvat
from bestie.formats.export.label_studio import write_label_studio
from bestie.formats.export.labelme import write_labelme
from bestie.formats.export.masks import write_mask_root
from bestie.formats.export.yolo import write_yolo

__all__ = ["COCO", "FORMATS", "require_apart", "require_free", "write_labels"]

COCO = "coco"
# Formats that are a folder with photos. COCO is one json, which names the photos only.
PACKAGES: dict[str, Callable[[LabelSet, Package], None]] = {
    "labelme": write_labelme,
    "cvat": write_cvat,
    "label-studio": write_label_studio,
    "yolo": write_yolo,
    "masks": write_mask_root,
}
FORMATS = (COCO, *PACKAGES)


def write_labels(
    labels: LabelSet,
    format: str,
    output: Path,
    options: ExportOptions | None = None,
    overwrite: bool = False,
) -> Counter[str]:
    """Write labels in a format of FORMATS; the output is whole or missing.

    Args:
        labels: at least one image.
        format: one of FORMATS.
        output: COCO: json to write; others: folder to make.
        options: how to write.
        overwrite: replace files of the same names; others that the folder holds stay.

    Returns:
        What was written in another way than the masks have it -> number of objects.

    Raises:
        DataError: the output exists, or the format cannot hold these labels.
    """
    require_free(output, format, overwrite)
    options = options or ExportOptions()
    output = output.resolve()  # links to photos are relative to where the files really are
    output.parent.mkdir(parents=True, exist_ok=True)
    if format == COCO:
        package = Package(output.parent, output.parent, options)
        write_coco_labels(labels, package, output.name)
        return package.notes
    build = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        package = Package(build, output, options)
        PACKAGES[format](labels, package)
        build.chmod(0o755)
        _move(build, output)
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return package.notes


def require_free(output: Path, format: str, overwrite: bool) -> None:
    """Raise a DataError if an output of this format cannot be written."""
    if format == COCO:
        if output.suffix.lower() != ".json":
            raise DataError("--output of --format coco must be a .json file", output)
        if output.exists() and (output.is_dir() or not overwrite):
            raise DataError("--output exists already; name a new file, or --overwrite", output)
    elif output.exists():
        if not output.is_dir():
            raise DataError(f"--output of --format {format} must be a folder", output)
        if any(output.iterdir()) and not overwrite:
            raise DataError("--output exists already; name a new folder, or --overwrite", output)


def require_apart(output: Path, format: str, sources: Iterable[Path]) -> None:
    """Raise a DataError if an output would replace files of what is exported.

    Labels of LabelMe may be written beside the photos, where that tool expects them.

    Args:
        output: json to write, or folder to make.
        format: one of FORMATS.
        sources: files and folders that the export reads; a root counts as a whole.
    """
    for source in sources:
        if source.is_file() and output.resolve() == source.resolve():
            raise DataError("--output is the file that is exported; name another one", output)
        root = DatasetFolder.around(source)
        place = None if root is None else root.folder_of(output)
        if place is None or (place == IMAGES and format == "labelme"):
            continue
        raise DataError(
            f"--output {'lies in' if place else 'is'} the data set that is exported, whose own "
            f"files it could replace; name a place outside of {place or 'it'}",
            output,
        )


def _move(build: Path, output: Path) -> None:
    """Put a complete package in its place."""
    if not output.exists() or not any(output.iterdir()):
        build.replace(output)
        return
    for place, _, names in os.walk(build):
        target = output / Path(place).relative_to(build)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.replace(Path(place, name), target / name)
