"""COCO json with instance annotations, and its run-length encoded masks.

Comes in: a path or a dict in COCO's format. Goes out: that dict, checked. Called through
``bestie.files`` by the registration, the exporter of labels, the evaluation and the checks.
"""

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from bestie.files.base import DataError, atomic_write

__all__ = [
    "check_coco_dict",
    "decode_mask",
    "encode_mask",
    "read_coco",
    "read_coco_or_results",
    "segmentation_rle",
    "write_coco",
]


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool mask -> COCO RLE ``{"size": [H, W], "counts": str}``, ready for json."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_mask(segmentation: dict | list, height: int, width: int) -> np.ndarray:
    """COCO segmentation (see :func:`segmentation_rle`) -> (height, width) bool mask."""
    return coco_mask.decode(segmentation_rle(segmentation, height, width)).astype(bool)


def segmentation_rle(segmentation: dict | list, height: int, width: int) -> dict[str, Any]:
    """COCO segmentation (RLE, compressed or not, or polygons) -> compressed RLE.

    As Detectron2 does, it passes over polygons of fewer than 3 points; pycocotools would take four
    numbers for a box.
    """
    if isinstance(segmentation, list):
        polygons = [polygon for polygon in segmentation if _is_polygon(polygon)]
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
    if isinstance(content, list) and _is_table(content):
        keys = ("image_id", "category_id", "segmentation", "score")
        mistakes = _missing_keys("result", content, keys)
    else:
        mistakes = check_coco_dict(content)
    _raise_coco_mistakes(mistakes, path)
    return content


def _read_json(path: str | os.PathLike) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("file does not exist", path) from None
    except json.JSONDecodeError as error:
        raise DataError(f"is no well-formed json ({error.msg})", path, error.lineno) from None
    except (OSError, UnicodeDecodeError) as error:
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


def check_coco_dict(coco: Any) -> list[str]:
    """What Detectron2's loader or pycocotools would reject (or misread) in ``coco``."""
    if not isinstance(coco, dict):
        return [f"is a json {type(coco).__name__}; an object with images, annotations is expected"]
    lists = {key: coco.get(key) for key in ("images", "annotations", "categories")}
    mistakes = [f"'{k}' is no list of objects" for k, v in lists.items() if not _is_table(v)]
    if mistakes:
        return mistakes
    mistakes = [f"'{key}' is empty" for key in ("images", "categories") if not lists[key]]
    mistakes += _missing_keys("image", lists["images"], ("id", "file_name", "height", "width"))
    mistakes += _missing_keys("category", lists["categories"], ("id", "name"))
    needed = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
    mistakes += _missing_keys("annotation", lists["annotations"], needed)
    if mistakes:
        return mistakes
    mistakes += _repeated("image id", [image["id"] for image in lists["images"]])
    mistakes += _repeated("category id", [category["id"] for category in lists["categories"]])
    mistakes += _repeated("category name", [category["name"] for category in lists["categories"]])
    mistakes += _repeated("annotation id", [entry["id"] for entry in lists["annotations"]])
    sizes = {image["id"]: (image["height"], image["width"]) for image in lists["images"]}
    categories = {category["id"] for category in lists["categories"]}
    for entry in lists["annotations"]:
        mistake = _annotation_mistake(entry, sizes, categories)
        if mistake:
            mistakes.append(f"annotation {entry['id']}: {mistake}")
    return mistakes


def _annotation_mistake(entry: dict, sizes: dict, categories: set) -> str | None:
    if entry["image_id"] not in sizes:
        return f"image_id {entry['image_id']} is not in 'images'"
    if entry["category_id"] not in categories:
        return f"category_id {entry['category_id']} is not in 'categories'"
    box = entry["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_is_finite(side) for side in box)):
        return f"bbox {box} is not [x, y, width, height]"
    if not (_is_finite(entry["area"]) and entry["area"] >= 0):
        return f"area {entry['area']} is no number of pixels, 0 or more"
    segmentation = entry["segmentation"]
    if isinstance(segmentation, dict):
        if not isinstance(segmentation.get("counts"), str | list):
            return "segmentation is an RLE without counts"
        if tuple(segmentation.get("size", ())) != sizes[entry["image_id"]]:
            return (
                f"segmentation has the size {segmentation.get('size')}, "
                f"its image {list(sizes[entry['image_id']])} (height, width)"
            )
    elif not isinstance(segmentation, list) or not any(map(_is_polygon, segmentation)):
        return "segmentation is neither an RLE nor polygons of at least 3 points"
    return "'ignore' is not supported by Detectron2" if entry.get("ignore", 0) else None


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


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _missing_keys(kind: str, entries: list[dict], keys: tuple[str, ...]) -> list[str]:
    return [
        f"{kind} {entry.get('id', f'number {number}')} has no '{key}'"
        for number, entry in enumerate(entries, 1)
        for key in keys
        if entry.get(key) is None
    ]


def _repeated(kind: str, values: list) -> list[str]:
    return [f"{kind} {v} occurs {n} times" for v, n in Counter(values).items() if n > 1]


def _is_polygon(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 6 and len(value) % 2 == 0


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
