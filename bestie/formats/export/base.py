"""What every writer of labels gets: the labels of images, and the folder that it fills.

A polygon cannot have a hole, and in some formats an object is one polygon only. One rule for all
formats: a hole is cut in along a line of no width (see ``bestie.formats.polygons``); where an
object has to be one polygon, its parts are joined by such lines. What was drawn so is counted in
:attr:`Package.notes`.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bestie.formats.base import DataError, atomic_write
from bestie.formats.coco import decode_mask, segmentation_rle
from bestie.formats.polygons import has_holes, join_polygons, mask_polygons

__all__ = [
    "ExportOptions",
    "LabelSet",
    "LabelledImage",
    "LabelledObject",
    "Package",
    "points_of",
    "require_unique_stems",
]


@dataclass(frozen=True)
class ExportOptions:
    """How labels are written.

    Attributes:
        masks: "rle" or "polygons", for COCO; the other formats have one way to hold a mask.
        tolerance: outlines may leave the mask by this, pixels; 0: exact.
        copy: copy the photos into the package; else they are linked.
    """

    masks: str = "rle"
    tolerance: float = 0.0
    copy: bool = False

    def __post_init__(self) -> None:
        if self.masks not in ("rle", "polygons"):
            raise ValueError(f"masks are written as rle or polygons, got {self.masks}")
        if not 0 <= self.tolerance <= 100:
            raise ValueError(f"the tolerance must lie in [0, 100] pixels, got {self.tolerance}")


@dataclass(frozen=True)
class LabelledObject:
    """One object.

    Attributes:
        class_id: index into :attr:`LabelSet.class_names`.
        segmentation: COCO's, RLE or polygons.
        size: (height, width) of the image.
        score: of a prediction, in [0, 1]; None: it has none.
        entry: the COCO annotation that it comes from.
    """

    class_id: int
    segmentation: dict[str, Any] | list
    size: tuple[int, int]
    score: float | None = None
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def rle(self) -> dict[str, Any]:
        """The mask as compressed run-length code."""
        return segmentation_rle(self.segmentation, *self.size)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool."""
        return decode_mask(self.segmentation, *self.size)


@dataclass(frozen=True)
class LabelledImage:
    """An image and its objects.

    Attributes:
        name: path of the image in its folder, with "/" and suffix.
        path: the file; None: not known, for formats that do not need it.
        size: (height, width), pixels.
        objects: in the order of the labels; empty: the image shows none.
        entry: the COCO image that it comes from.
    """

    name: str
    path: Path | None
    size: tuple[int, int]
    objects: list[LabelledObject]
    entry: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelSet:
    """Labels to write.

    Attributes:
        class_names: class c has the name ``class_names[c]``.
        images: each name once.
        coco: what a COCO json says besides images and annotations: "categories", "info", ...
    """

    class_names: list[str]
    images: list[LabelledImage]
    coco: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Number of objects."""
        return sum(len(image.objects) for image in self.images)


class Package:
    """The folder that a writer fills.

    Attributes:
        options: how to write.
        notes (Counter): what was written in another way than the mask has it -> how many objects.
    """

    def __init__(self, folder: Path, final: Path, options: ExportOptions):
        """
        Args:
            folder: folder to write into.
            final: where it will be moved to: links of photos start there.
            options: how to write.
        """
        self.folder, self.final, self.options = folder, final, options
        self.notes: Counter[str] = Counter()

    def write_text(self, name: str, text: str) -> None:
        """Write a UTF-8 file; ``name``: path in the package, with "/"."""
        with atomic_write(self.folder / name) as file:
            file.write(text)

    def put_photo(self, image: LabelledImage, name: str) -> None:
        """Link or copy the photo of an image to ``name``, a path in the package with "/".

        A photo that stands there already stays: the package may be made where the photos are.
        """
        assert image.path is not None, "the source finds the photos of formats that need them"
        standing = self.final / name
        if standing.exists() and standing.samefile(image.path):
            return
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.options.copy:
            shutil.copyfile(image.path, target)
        else:
            start = (self.final / name).parent
            # Folders of the package may not exist yet: only the place of the package is resolved.
            base = self.final.parent.resolve() / start.relative_to(self.final.parent)
            target.symlink_to(os.path.relpath(image.path.resolve(), base))

    def note_empty(self) -> None:
        """Count an object that has no pixel and is left out."""
        self.notes["objects without a pixel were left out"] += 1

    def polygons(self, item: LabelledObject) -> list[list[float]]:
        """Outlines of an object, one polygon per part; empty: it has no pixel, which is noted."""
        mask = item.mask
        polygons = mask_polygons(mask, self.options.tolerance)
        if not polygons:
            self.note_empty()
        elif has_holes(mask):
            self.notes["objects have holes: cut in along a line of no width"] += 1
        return polygons

    def one_polygon(self, item: LabelledObject) -> list[float] | None:
        """One polygon around all parts of an object; None: it has no pixel."""
        polygons = self.polygons(item)
        if len(polygons) > 1:
            self.notes["objects have several parts: joined by lines of no width"] += 1
        return join_polygons(polygons) if polygons else None


def require_unique_stems(images: list[LabelledImage], what: str) -> None:
    """Raise a DataError if two images differ in their suffixes only.

    Args:
        images: of a package.
        what: the file that both would share.
    """
    first: dict[str, str] = {}
    for image in images:
        stem = str(PurePosixPath(image.name).with_suffix("")).lower()
        other = first.setdefault(stem, image.name)
        if other != image.name:
            message = f"images '{other}' and '{image.name}' would share one {what}; rename one"
            raise DataError(message)


def points_of(polygon: list[float]) -> Iterator[tuple[float, float]]:
    """(x, y) of each corner of a polygon x, y, x, y, ..."""
    return zip(polygon[::2], polygon[1::2], strict=True)
