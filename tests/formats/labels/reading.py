"""What a reader found, in a form that tests can compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from bestie import formats
from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.registry import read_labels
from bestie.formats.labels.shapes import Bitmap, Coded, Outline, draw_shape


def facts(labels: Labels) -> list[tuple]:
    """(image, classes, what, where it is) of all rows that state a class."""
    found = []
    for row in labels.rows:
        place: Any = row.xy
        if isinstance(row.mask, Outline):
            place = row.mask.parts
        elif isinstance(row.mask, Bitmap):
            place = (row.mask.left, row.mask.top, row.mask.pixels.astype(int).tolist())
        elif isinstance(row.mask, Coded):
            place = coco_mask.decode(row.mask.rle).astype(int).tolist()
        kind = "click" if row.xy else "mask" if row.mask else "object" if row.is_object else "tag"
        if row.classes:
            found.append((row.image, row.classes, kind, place))
    return found


def read(path: Path, format: str | None = None, **options: Any) -> list[tuple]:
    """Facts of a label file without mistakes."""
    labels = read_labels(path, format, ReadOptions(**options))
    assert labels.problems == [], list(map(str, labels.problems))
    return facts(labels)


def mistakes(path: Path, format: str | None = None, **options: Any) -> list[str]:
    """Mistakes of a label file."""
    return list(map(str, read_labels(path, format, ReadOptions(**options)).problems))


def drawn(
    path: Path, height: int, width: int, format: str | None = None, **options: Any
) -> list[tuple[str, np.ndarray]]:
    """Class and pixels of each mask of a label file."""
    labels = read_labels(path, format, ReadOptions(**options))
    assert labels.problems == [], list(map(str, labels.problems))
    rows = [row for row in labels.rows if row.mask is not None]
    masks = [
        (row.mask.scaled(width, height) if row.is_share else row.mask, row.classes[0])
        for row in rows
    ]
    return [(name, draw_shape(mask, height, width)) for mask, name in masks]


def box_mask(height: int, width: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """(height, width) bool, True from left to right - 1 and from top to bottom - 1."""
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def import_mistakes(make: Callable, labels: Path, **options: Any) -> list[str]:
    """Mistakes that an import with the fixture ``make`` lists."""
    with pytest.raises(formats.DataError) as caught:
        make(labels, **options)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]
