"""What is wrong with a dict in COCO's format: everything that would break, or be misread, later.

A dict (or list of results) as read from json gives messages; the readers and writers of
``formats.coco`` raise them.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["check_coco_dict", "check_results", "is_polygon", "is_table", "rle_mistake"]


def check_coco_dict(coco: Any) -> list[str]:
    """What Detectron2's loader or pycocotools would reject (or misread) in ``coco``."""
    if not isinstance(coco, dict):
        return [f"is a json {type(coco).__name__}; an object with images, annotations is expected"]
    lists: dict[str, Any] = {key: coco.get(key) for key in ("images", "annotations", "categories")}
    mistakes = [f"'{k}' is not a list of objects" for k, v in lists.items() if not is_table(v)]
    if mistakes:
        return mistakes
    mistakes = [f"'{key}' is empty" for key in ("images", "categories") if not lists[key]]
    for kind, fields in _FIELDS.items():
        mistakes += _wrong_fields(kind, lists[_LIST_OF[kind]], fields)
    if mistakes:
        return mistakes
    mistakes += _repeated("image id", [image["id"] for image in lists["images"]])
    mistakes += _repeated("image file_name", [image["file_name"] for image in lists["images"]])
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


def check_results(results: list[dict[str, Any]]) -> list[str]:
    """What is missing in a list of COCO results."""
    keys = ("image_id", "category_id", "segmentation")
    return _wrong_fields("result", results, dict.fromkeys(keys, _ANYTHING) | {"score": _SCORE})


def is_table(value: Any) -> bool:
    """Whether a json value is a list of objects."""
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def is_polygon(value: Any) -> bool:
    """Whether a json value is x, y, x, y, ... of at least 3 points."""
    return (
        isinstance(value, list)
        and len(value) >= 6
        and len(value) % 2 == 0
        and all(map(_is_finite, value))
    )


def rle_mistake(segmentation: dict[str, Any], size: tuple[int, int]) -> str | None:
    """What is wrong with a run-length encoded mask; pycocotools itself reads anything.

    Args:
        segmentation: ``{"size", "counts"}``, the counts compressed (str) or not (list).
        size: (height, width) that it must have.
    """
    given = segmentation.get("size")
    if not isinstance(given, list | tuple) or tuple(given) != size:
        return f"segmentation has the size {given}, its image {list(size)} (height, width)"
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        runs = _decompressed(counts)
    elif isinstance(counts, list) and all(map(_is_integer, counts)):
        runs = np.array(counts, dtype=np.int64)
    else:
        return "segmentation is an RLE without counts (a string or a list of integers)"
    area = size[0] * size[1]
    if runs is None or (runs < 0).any() or runs.sum() != area:
        return f"segmentation is an RLE whose counts do not add up to its {area} pixels"
    return None


def _decompressed(counts: str) -> np.ndarray | None:
    """Run lengths of COCO's compressed counts; None if they are damaged.

    A number is written in characters of 5 bits, lowest first, 32 marking that more follow; the
    last one carries the sign. From the fourth number on, they are differences to the last but one.
    """
    codes = np.frombuffer(counts.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if not len(codes) or np.min(codes) < 0 or np.max(codes) > 63 or codes[-1] & 32:
        return None
    last = np.flatnonzero(codes & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > 8:  # 40 bits: no image is as large
        return None
    place = np.arange(len(codes)) - np.repeat(first, lengths)
    values = np.add.reduceat((codes & 31) << (5 * place), first)
    values -= np.where(codes[last] & 16, 1 << (5 * lengths), 0)
    runs = values.copy()
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    return runs


def _annotation_mistake(entry: dict, sizes: dict, categories: set) -> str | None:
    if entry["image_id"] not in sizes:
        return f"image_id {entry['image_id']} is not in 'images'"
    if entry["category_id"] not in categories:
        return f"category_id {entry['category_id']} is not in 'categories'"
    size = sizes[entry["image_id"]]
    box = entry["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))):
        return f"bbox {box} is not [x, y, width, height]"
    if not _overlaps(box, size):
        return f"bbox {box} lies outside its image of {list(size)} (height, width)"
    segmentation = entry["segmentation"]
    if isinstance(segmentation, dict):
        mistake = rle_mistake(segmentation, size)
        if mistake:
            return mistake
    elif not isinstance(segmentation, list) or not any(map(is_polygon, segmentation)):
        return "segmentation is neither an RLE nor polygons of at least 3 points"
    score = entry.get("score")
    if score is not None and not _is_finite(score):
        return f"score {score!r} is not a finite number"
    return "'ignore' is not supported by Detectron2" if entry.get("ignore", 0) else None


def _overlaps(box: list[float], size: tuple[int, int]) -> bool:
    x, y, width, height = box
    sides_accepted = width >= 0 and height >= 0
    return sides_accepted and x < size[1] and y < size[0] and x + width >= 0 and y + height >= 0


def _wrong_fields(kind: str, entries: list[dict], fields: dict[str, tuple]) -> list[str]:
    mistakes = []
    for number, entry in enumerate(entries, 1):
        name = f"{kind} {entry.get('id') or f'number {number}'}"
        for key, (accepts, accepted) in fields.items():
            if entry.get(key) is None:
                mistakes.append(f"{name} has no '{key}'")
            elif not accepts(entry[key]):
                mistakes.append(f"{name}: {key} {entry[key]!r} is not {accepted}")
    return mistakes


def _repeated(kind: str, values: list) -> list[str]:
    return [f"{kind} {v} occurs {n} times" for v, n in Counter(values).items() if n > 1]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _accept(function: Callable[[Any], bool], accepted: str) -> tuple[Callable[[Any], bool], str]:
    return function, accepted


_ANYTHING = _accept(lambda value: True, "value")
_INTEGER = _accept(_is_integer, "an integer")
_NAME = _accept(lambda value: isinstance(value, str) and bool(value), "text")
_SIDE = _accept(lambda value: _is_integer(value) and value > 0, "a number of pixels above 0")
_AREA = _accept(lambda value: _is_finite(value) and value >= 0, "a number of pixels, 0 or more")
_SCORE = _accept(_is_finite, "a finite number")
_FLAG = _accept(lambda value: value in (0, 1), "0 or 1")
_LIST_OF = {"image": "images", "category": "categories", "annotation": "annotations"}
# Kind of entry -> key -> whether a value is accepted, and what is.
_FIELDS = {
    "image": {"id": _INTEGER, "file_name": _NAME, "height": _SIDE, "width": _SIDE},
    "category": {"id": _INTEGER, "name": _NAME},
    "annotation": {
        "id": _INTEGER,
        "image_id": _INTEGER,
        "category_id": _INTEGER,
        "bbox": _ANYTHING,
        "area": _AREA,
        "iscrowd": _FLAG,
        "segmentation": _ANYTHING,
    },
}
