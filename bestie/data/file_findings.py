"""Readers of the files of a data set that remember what they found.

A path gives what the checks and the lists of data sets need to know about a file: sizes, counts,
points. A file is read (photographs: decoded) once, and again when it has changed; see
:class:`bestie.formats.file_memory.FileMemory`. Files with mistakes are read every time.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from bestie import formats
from bestie.formats import (
    DataError,
    Points,
    hash_file,
    read_coco,
    read_image,
    read_image_size,
    read_instances,
    read_points,
    read_semantic_map,
)
from bestie.formats.file_memory import FileMemory, cache_folder

__all__ = ["FileFindings", "PointRow", "count_objects", "count_trusted", "read_coco_summary"]

logger = logging.getLogger(__name__)

# Kind of findings -> what the files are, in the plural.
KINDS = {
    "images": "images",
    "sizes": "sizes of images",
    "maps": "semantic maps",
    "points": "point files",
    "masks": "true masks",
    "json": "COCO jsons",
}


@cache
def _maker() -> str:
    """Version of the readers: what an older one accepted is read again."""
    sources = sorted(Path(formats.__file__).parent.glob("*.py"))
    digests = "".join(hash_file(source) for source in (Path(__file__), *sources))
    return f"{hashlib.sha256(digests.encode()).hexdigest()} Pillow {PIL.__version__}"


@cache
def _checker() -> str:
    """Version of the checks of images."""
    sources = sorted((Path(__file__).parent / "checks").glob("*.py"))
    return hashlib.sha256("".join(map(hash_file, sources)).encode()).hexdigest()


class PointRow(NamedTuple):
    """One line of a point file.

    Attributes:
        y, x: pixels.
        class_id: 0 or more.
        score: confidence, a float32 number.
        line: from 1.
    """

    y: float
    x: float
    class_id: int
    score: float
    line: int


class FileFindings:
    """What is in the files of data sets; see the module's docstring.

    Every reader raises the DataError of the reader of ``bestie.formats`` that it stands for.
    """

    def __init__(self) -> None:
        self._memories = {kind: FileMemory(kind, _maker()) for kind in KINDS}
        self._groups = FileMemory("groups", f"{_maker()} {_checker()}")
        self._unchanged = 0  # images of groups that are remembered
        self._started = time.monotonic()

    def image_shape(self, path: str) -> tuple[int, int]:
        """(height, width) of an image that can be decoded."""
        height, width = self._memories["images"].of(path, lambda: read_image(path).shape[:2])
        return height, width

    def image_size(self, path: str) -> tuple[int, int]:
        """(height, width) of an image, which need not have been decoded."""
        known = self._memories["images"].known(path)
        height, width = known or self._memories["sizes"].of(path, lambda: read_image_size(path))
        return height, width

    def knows(self, image: str, semantic_map: str = "") -> bool:
        """Whether an image, and a map if one is named, need not be decoded."""
        return self._memories["images"].knows(image) and (
            not semantic_map or self._memories["maps"].knows(semantic_map)
        )

    def map_counts(self, path: str) -> tuple[tuple[int, int], np.ndarray]:
        """(height, width) of a semantic map, and the pixels of each value, (256,) int64."""
        (height, width), values, pixels = self._memories["maps"].of(path, partial(_count_map, path))
        counts = np.zeros(256, np.int64)
        counts[values] = pixels
        return (height, width), counts

    def instances(self, object_png: str, class_png: str) -> tuple[tuple[int, int], np.ndarray]:
        """(height, width) of true masks, and the classes of their instances, (N,) int64."""

        def find() -> list:
            instance_map, _, classes = read_instances(object_png, class_png)
            return [list(instance_map.shape), classes.tolist()]

        (height, width), classes = self._memories["masks"].of((object_png, class_png), find)
        return (height, width), np.array(classes, np.int64)

    def point_rows(self, path: str, problems: list[DataError] | None = None) -> list[PointRow]:
        """The points of a file; mistakes go to ``problems``, if given.

        Rows, not arrays: a file holds few points, and arrays of them would take longer to make than
        to look at.
        """
        try:
            rows = self._memories["points"].of(path, lambda: _point_rows(read_points(path)))
        except DataError:
            rows = _point_rows(read_points(path, problems))
        return [PointRow(*row) for row in rows]

    def coco(self, path: str) -> dict[str, Any]:
        """What a COCO json holds, without its masks.

        Returns:
            "categories" and "images" as in the json with the keys that it must have, and "objects":
            {category id: number of annotations that are no crowd} of each image, in their order.
        """
        found = self._memories["json"].of(path, lambda: _summarize_coco(read_coco(path)))
        objects = [dict(zip(pairs[::2], pairs[1::2], strict=True)) for pairs in found["objects"]]
        return found | {"objects": objects}

    def group(
        self,
        paths: Sequence[str],
        images: int,
        find: Callable[[], dict[str, Any] | None],
        *,
        name: str,
        given: str,
    ) -> dict[str, Any] | None:
        """What was found in the files of a group of images, if they have no error.

        Args:
            paths: all files that ``find`` looks at, an image first.
            images: number of images.
            find: looks at them; None: there is an error, so that nothing is remembered.
            name: of what is looked for.
            given: what else the answer depends on.
        """
        is_known = True

        def look() -> dict[str, Any] | None:
            nonlocal is_known
            is_known = False
            return find()

        found = self._groups.of(paths, look, name=name, given=given)
        if is_known:
            self._unchanged += images
        return found

    def save(self) -> None:
        """Remember what was found, for other processes and runs."""
        for memory in (*self._memories.values(), self._groups):
            memory.save()

    def log(self) -> None:
        """Write one line: how many files were read, and how many did not have to be."""
        memories = self._memories.items()
        read = {KINDS[kind]: memory.read for kind, memory in memories}
        known = {KINDS[kind]: memory.remembered for kind, memory in memories}
        known = {"images with all of their files": self._unchanged, **known}
        read_text, known_text = (
            ", ".join(f"{n} {what}" for what, n in numbers.items() if n) or "nothing"
            for numbers in (read, known)
        )
        logger.info(
            "Read %s in %.1f s; not changed since an earlier check (see %s): %s.",
            read_text,
            time.monotonic() - self._started,
            cache_folder(),
            known_text,
        )


def read_coco_summary(path: str) -> dict[str, Any]:
    """What a COCO json holds, without its masks; see :meth:`FileFindings.coco`. It is remembered.

    Raises:
        DataError: the json is broken.
    """
    findings = FileFindings()
    summary = findings.coco(path)
    findings.save()
    return summary


def count_objects(
    summary: dict[str, Any], category_ids: list[int], file_names: set[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images and annotations (no crowds) of each category, (C,) int64 both.

    Args:
        summary: of a COCO json.
        category_ids: C ids.
        file_names: of the images that count; None: all.
    """
    images_of: Counter = Counter()
    objects_of: Counter = Counter()
    for image, objects in zip(summary["images"], summary["objects"], strict=True):
        if file_names is None or image["file_name"] in file_names:
            images_of.update(objects.keys())
            objects_of.update(objects)
    numbers = (np.array([of[i] for i in category_ids], np.int64) for of in (images_of, objects_of))
    images_per_class, objects_per_class = numbers
    return images_per_class, objects_per_class


def count_trusted(points: Iterable[PointRow], score_thresh: float) -> int:
    """Number of points above a confidence, compared in float32 as in training."""
    limit = float(np.float32(score_thresh))
    return sum(point.score > limit for point in points)


def _count_map(path: str) -> list:
    semantic_map = read_semantic_map(path)
    counts = np.bincount(semantic_map.ravel(), minlength=256)
    values = np.flatnonzero(counts)
    return [list(semantic_map.shape), values.tolist(), counts[values].tolist()]


def _point_rows(points: Points) -> list[list[float]]:
    """Rows of :class:`PointRow`."""
    assert points.lines is not None  # they are read from a file
    columns = (points.classes, points.scores, points.lines)
    y, x = points.yx.T.tolist()
    return list(map(list, zip(y, x, *(column.tolist() for column in columns), strict=True)))


def _summarize_coco(coco: dict[str, Any]) -> dict[str, Any]:
    """See :meth:`FileFindings.coco`; the objects of an image are [category id, number, ...]."""
    objects: dict[int, Counter] = {image["id"]: Counter() for image in coco["images"]}
    for entry in coco["annotations"]:
        if not entry["iscrowd"]:
            objects[entry["image_id"]][entry["category_id"]] += 1
    keys = ("id", "file_name", "height", "width")
    return {
        "categories": [{"id": c["id"], "name": c["name"]} for c in coco["categories"]],
        "images": [{key: image[key] for key in keys} for image in coco["images"]],
        "objects": [[n for pair in of.items() for n in pair] for of in objects.values()],
    }
