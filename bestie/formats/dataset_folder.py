"""Writing a folder-contract root: what the scripts of this folder share.

Comes in: class names, ids, tags, instance masks. Goes out: the small text files of the contract,
clicks and COCO annotations. Called by ``make_shapes``, ``prepare_voc`` and ``prepare_coco``; the
file formats themselves are the business of ``bestie.formats``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bestie import formats

__all__ = [
    "add_image_labels",
    "clicks_of_instances",
    "coco_annotations",
    "coco_categories",
    "make_clicks",
    "mask_click",
    "require_files",
    "write_class_names",
    "write_split",
]


def write_class_names(root: Path, class_names: Sequence[str]) -> None:
    """Write ``ROOT/classes.txt``.

    Raises:
        files.DataError: the file is there already, with other names.
    """
    path = root / "classes.txt"
    if path.is_file() and formats.read_class_names(root) != list(class_names):
        raise formats.DataError(f"holds other classes than {', '.join(class_names)}", path)
    _write_lines(path, class_names)


def write_split(root: Path, split: str, ids: Iterable[str]) -> None:
    """Write ``ROOT/ImageSets/Segmentation/<split>.txt``."""
    _write_lines(root / "ImageSets" / "Segmentation" / f"{split}.txt", ids)


def add_image_labels(
    root: Path, tags: Mapping[str, Iterable[int]], overwrite: bool = False
) -> None:
    """Add tags (image id -> class ids) to ``ROOT/image_labels.txt``, sorted by id.

    Args:
        root: with ``classes.txt``.
        tags: of the images to add.
        overwrite: replace the tags of images that the file names already; otherwise these stay.
    """
    path = root / "image_labels.txt"
    known = (
        formats.read_image_labels(root, formats.read_class_names(root)) if path.is_file() else {}
    )
    tags = {**known, **tags} if overwrite else {**tags, **known}
    _write_lines(path, (" ".join([key, *map(str, sorted(tags[key]))]) for key in sorted(tags)))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with formats.atomic_write(path) as file:
        file.writelines(line + "\n" for line in lines)


def require_files(root: Path, names: Iterable[str], advice: str) -> None:
    """Raise a DataError that names the files missing under ``root`` and says where to get them."""
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise formats.DataError(f"{len(missing)} file(s) missing: {shown}. {advice}", root)


def mask_click(mask: np.ndarray) -> tuple[int, int]:
    """The click (y, x) that stands for an annotator's: the mask's pixel nearest to its centroid.

    Args:
        mask: (H, W) bool, not empty.
    """
    rows, columns = np.nonzero(mask)
    distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    nearest = int(distance.argmin())
    return int(rows[nearest]), int(columns[nearest])


def clicks_of_instances(instance_map: np.ndarray, classes: np.ndarray) -> formats.Points:
    """One click an instance, in the order of the instances.

    Args:
        instance_map: (H, W) integers, 0 none, i + 1 = instance i.
        classes: (N,) int64.
    """
    clicks = [mask_click(instance_map == i + 1) for i in range(len(classes))]
    return make_clicks(clicks, classes)


def make_clicks(yx: Sequence[tuple[float, float]], classes: Sequence[int]) -> formats.Points:
    """Points of confidence 1 at (y, x)."""
    return formats.Points(
        yx=np.array(yx, dtype=np.float64).reshape(-1, 2),
        classes=np.array(classes, dtype=np.int64),
        scores=np.ones(len(classes), np.float32),
    )


def coco_categories(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """COCO categories 1..C."""
    return [{"id": i, "name": name} for i, name in enumerate(class_names, 1)]


def coco_annotations(
    instance_map: np.ndarray, classes: np.ndarray, image_id: int, first_id: int
) -> list[dict[str, Any]]:
    """COCO annotations (RLE) of an image's instances.

    Args:
        instance_map: (H, W) integers, 0 none, i + 1 = instance i.
        classes: (N,) int64.
        image_id: of the COCO json.
        first_id: annotation id of the first instance; the others count up.
    """
    annotations = []
    for i, class_id in enumerate(classes):
        mask = instance_map == i + 1
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left = int(rows[0]), int(columns[0])
        annotation = {
            "id": first_id + i,
            "image_id": image_id,
            "category_id": int(class_id) + 1,
            "object_id": i + 1,
            "segmentation": formats.encode_mask(mask),
            "area": int(mask.sum()),
            "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
            "iscrowd": 0,
        }
        annotations.append(annotation)
    return annotations
