"""Labels of hand-made masks, and a package to write them into."""

from pathlib import Path

import numpy as np

from bestie.formats import encode_mask
from bestie.formats.export.base import (
    ExportOptions,
    LabelledImage,
    LabelledObject,
    LabelSet,
    Package,
)

# 4 rows, 5 columns. A box: columns 1 and 2, rows 1 and 2.
BOX = ["00000", "01100", "01100", "00000"]
# Corners of its outline, a quarter of a pixel inside of it.
BOX_OUTLINE = [(1.25, 1.25), (1.25, 2.75), (2.75, 2.75), (2.75, 1.25)]
RING = ["11100", "10100", "11100", "00000"]
TWO_PARTS = ["10001", "00000", "00000", "00000"]
EMPTY = ["00000"] * 4


def object_of(rows: list[str], class_id: int = 0, score: float | None = None) -> LabelledObject:
    """An object whose mask is given as rows of "0" and "1"."""
    mask = np.array([[letter == "1" for letter in row] for row in rows])
    return LabelledObject(class_id, encode_mask(mask), mask.shape, score)


def label_set(
    folder: Path, objects: list[LabelledObject], name: str = "a.png", classes=("cat", "dog")
) -> LabelSet:
    """One image of 4 x 5 pixels, whose photo (of any content) lies in ``folder/photos``."""
    photo = folder / "photos" / name
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_bytes(b"photo")
    return LabelSet(list(classes), [LabelledImage(name, photo, (4, 5), objects)])


def package(folder: Path, **options) -> Package:
    """An empty package ``folder/out``."""
    (folder / "out").mkdir()
    return Package(folder / "out", folder / "out", ExportOptions(**options))
