"""COCO json with instance annotations, and its run-length encoded masks.

Whatever is read or written is checked first.
"""

import codecs
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from pycocotools import mask as coco_mask

from bestie.formats.base import DataError, atomic_write, read_lines, reporter
from bestie.formats.coco_check import check_coco_dict, check_results, is_polygon, is_table

__all__ = [
    "check_coco_dict",
    "decode_mask",
    "read_coco",
    "read_coco_or_results",
    "segmentation_rle",
    "write_coco",
    "write_coco_stream",
]


def decode_mask(segmentation: dict | list, height: int, width: int) -> np.ndarray:
    """COCO segmentation (see :func:`segmentation_rle`) -> (height, width) bool mask."""
    return coco_mask.decode(segmentation_rle(segmentation, height, width)).astype(bool)


def segmentation_rle(segmentation: dict | list, height: int, width: int) -> dict[str, Any]:
    """COCO segmentation (RLE, compressed or not, or polygons) -> compressed RLE.

    As Detectron2 does, it passes over polygons of fewer than 3 points; pycocotools would take four
    numbers for a box.
    """
    if isinstance(segmentation, list):
        polygons = [polygon for polygon in segmentation if is_polygon(polygon)]
        return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return dict(segmentation)


def read_coco(path: str | os.PathLike) -> dict[str, Any]:
    """Read a COCO json with instance annotations.

    Raises:
        DataError: missing file, broken json (with the line), or a dict that Detectron2 or
            pycocotools would reject (see :func:`check_coco_dict`).
    """
    coco = _read_json(path)
    _raise_coco_mistakes(check_coco_dict(coco), path)
    return coco


def read_coco_or_results(path: str | os.PathLike) -> dict[str, Any] | list[dict[str, Any]]:
    """Read a COCO json, or a list of COCO results (what Detectron2's COCO evaluator writes).

    Raises:
        DataError: as for :func:`read_coco`; a result without image_id, category_id, segmentation
            or score.
    """
    content = _read_json(path)
    mistakes = check_results(content) if is_table(content) else check_coco_dict(content)
    _raise_coco_mistakes(mistakes, path)
    return content


def _read_json(path: str | os.PathLike) -> Any:
    lines = read_lines(Path(path), reporter(Path(path), None))
    if Path(path).read_bytes()[:3] == codecs.BOM_UTF8:
        raise DataError("starts with a byte order mark, which pycocotools cannot read", path, 1)
    try:
        return json.loads("\n".join(lines or []))
    except json.JSONDecodeError as error:
        raise DataError(f"is not well-formed json ({error.msg})", path, error.lineno) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, endless lists
        raise DataError(f"cannot be read ({error})", path) from error


def write_coco(path: str | os.PathLike, coco: dict[str, Any]) -> None:
    """Write a COCO json with instance annotations, atomically.

    Raises:
        DataError: before anything is written, if Detectron2 or pycocotools would reject the file or
            if the area or the box of an annotation is not that of its RLE mask.
    """
    mistakes = check_coco_dict(coco) or _check_coco_masks(coco)
    _raise_coco_mistakes(mistakes, path)
    with atomic_write(path) as file:
        json.dump(coco, file, allow_nan=False)


def write_coco_stream(
    path: str | os.PathLike,
    head: dict[str, Any],
    images: Sequence[dict[str, Any]],
    annotations: Iterable[Sequence[dict[str, Any]]],
) -> None:
    """Write the bytes of :func:`write_coco`, with the annotations of one image in memory at a time.

    Args:
        path: file to write.
        head: "categories", and what else goes before the images ("info", "licenses").
        images: entries of "images".
        annotations: those of each image, in the same order, with distinct ids.

    Raises:
        DataError: as for :func:`write_coco`; ``path`` is left as it is then.
    """
    mistakes = check_coco_dict(head | {"images": images, "annotations": []})
    _raise_coco_mistakes(mistakes, path)

    def checked_annotations() -> Iterator[dict[str, Any]]:
        for image, of_image in zip(images, annotations, strict=True):
            part = head | {"images": [image], "annotations": of_image}
            mistakes.extend(check_coco_dict(part) or _check_coco_masks(part))
            yield from of_image

    with atomic_write(path) as file:
        file.write(json.dumps(head, allow_nan=False)[:-1])
        _write_entries(file, "images", images)
        _write_entries(file, "annotations", checked_annotations())
        file.write("}")
        _raise_coco_mistakes(mistakes, path)


def _write_entries(file: IO, key: str, entries: Iterable[dict[str, Any]]) -> None:
    file.write(f', "{key}": [')
    for number, entry in enumerate(entries):
        file.write(", " * (number > 0) + json.dumps(entry, allow_nan=False))
    file.write("]")


def _check_coco_masks(coco: dict[str, Any]) -> list[str]:
    mistakes = []
    for entry in coco["annotations"]:
        rle = entry["segmentation"]
        if not isinstance(rle, dict) or isinstance(rle["counts"], list):
            continue
        area, box = int(coco_mask.area(rle)), coco_mask.toBbox(rle).tolist()
        if area == 0 or area != entry["area"] or box != [float(side) for side in entry["bbox"]]:
            mistakes.append(
                f"annotation {entry['id']}: area {entry['area']}, bbox {entry['bbox']}; "
                f"its mask has area {area}, bbox {box}"
            )
    return mistakes


def _raise_coco_mistakes(mistakes: list[str], path: str | os.PathLike, shown: int = 10) -> None:
    if mistakes:
        more = f"; and {len(mistakes) - shown} more" if len(mistakes) > shown else ""
        raise DataError("; ".join(mistakes[:shown]) + more, path)
