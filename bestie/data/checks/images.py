"""Checks of the files of one image: photograph, weak semantic map, points, ground-truth masks.

Called by ``data.checks.dataset`` for every image of a split; gives problems and counts.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np

from bestie.data.file_findings import FileFindings, PointRow, count_trusted
from bestie.formats import (
    POINT_FOLDERS,
    DataError,
    DatasetFolder,
    find_image,
    missing_image,
)
from bestie.formats.dataset_folder import MAPS
from bestie.regions import IGNORE

__all__ = [
    "NEEDED_FOLDERS",
    "CocoImageChecker",
    "ImageChecker",
    "ImageFindings",
    "Problem",
    "size_mismatch",
]

# What a stage may need -> folder in the root.
NEEDED_FOLDERS = {
    "maps": MAPS,
    "peak_points": POINT_FOLDERS["tags"],
    "clicks": POINT_FOLDERS["clicks"],
}
SMALL_SIDE = 16


@dataclass(frozen=True)
class Problem:
    """Something wrong ("error") or odd ("warning") in a data set.

    Attributes:
        severity: "error" or "warning".
        file: the file or folder that it is about.
        line: line of a text file from 1, or None.
        message: what was found and what is accepted.
    """

    severity: str
    file: str
    line: int | None
    message: str

    @classmethod
    def from_error(cls, error: DataError) -> "Problem":
        return cls("error", error.file or "", error.line, error.message)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{self.severity}: {place}: {self.message}"


@dataclass
class ImageFindings:
    """What was found for one image, or for several; counts as in DatasetReport."""

    problems: list[Problem] = field(default_factory=list)
    map_pixels: np.ndarray | int = 0
    points_per_class: dict[str, np.ndarray] = field(default_factory=dict)
    objects_per_class: np.ndarray | int = 0
    trusted_points: dict[str, int] = field(default_factory=dict)

    def add(self, other: "ImageFindings") -> None:
        """Add what was found for other images, in place."""
        self.problems += other.problems
        self.map_pixels = self.map_pixels + other.map_pixels
        self.objects_per_class = self.objects_per_class + other.objects_per_class
        for folder, counts in other.points_per_class.items():
            self.points_per_class[folder] = self.points_per_class.get(folder, 0) + counts
            so_far = self.trusted_points.get(folder, 0)
            self.trusted_points[folder] = so_far + other.trusted_points[folder]

    def summary(self) -> dict[str, Any] | None:
        """Everything, ready for JSON; None if there are errors."""
        if any(problem.severity == "error" for problem in self.problems):
            return None
        return {
            "problems": [astuple(problem) for problem in self.problems],
            "map_pixels": _to_list(self.map_pixels),
            "points_per_class": {k: counts.tolist() for k, counts in self.points_per_class.items()},
            "objects_per_class": _to_list(self.objects_per_class),
            "trusted_points": self.trusted_points,
        }

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> "ImageFindings":
        """The findings that :meth:`summary` came from."""
        points = summary["points_per_class"]
        return cls(
            [Problem(*problem) for problem in summary["problems"]],
            map_pixels=np.array(summary["map_pixels"], np.int64),
            points_per_class={k: np.array(counts, np.int64) for k, counts in points.items()},
            objects_per_class=np.array(summary["objects_per_class"], np.int64),
            trusted_points=dict(summary["trusted_points"]),
        )

    def error(self, file: str, message: str, line: int | None = None) -> None:
        self.problems.append(Problem("error", file, line, message))

    def warning(self, file: str, message: str, line: int | None = None) -> None:
        self.problems.append(Problem("warning", file, line, message))

    def attempt(self, function: Callable, *arguments: Any) -> Any:
        """Result of the function; None if it raised a DataError, which becomes a problem."""
        try:
            return function(*arguments)
        except DataError as error:
            self.problems.append(Problem.from_error(error))
            return None


@dataclass(frozen=True)
class ImageChecker:
    """Checks the files of one image, called with its id.

    Attributes:
        root: folder-contract root.
        class_names: C names; empty: classes are not checked.
        decode: read whole images, not only their sizes.
        folders: folder under the root of what is checked, keys of NEEDED_FOLDERS.
        tags: image id -> class ids; None: disagreements with tags are not looked for.
        masks: "required", "optional" (looked at where they are) or "" (not looked at).
        json_file: the COCO json of the split.
        listed: image id -> (height, width) in it; empty if it does not exist.
        score_thresh: confidence above which points train.
        files: reads them.
    """

    root: str
    class_names: list[str]
    decode: bool
    folders: dict[str, str]
    tags: Mapping[str, list[int]] | None
    masks: str
    json_file: str
    listed: Mapping[str, tuple[int, int]]
    score_thresh: float
    files: FileFindings

    def is_known(self, image_id: str) -> bool:
        """Whether no picture has to be decoded, because an earlier check did so."""
        if not self.decode and "maps" not in self.folders:
            return True
        image = find_image(self.root, image_id)
        semantic_map = self._map_file(image_id) if "maps" in self.folders else ""
        return image is not None and self.files.knows(image, semantic_map)

    def files_of(self, image_id: str) -> list[str]:
        """The files that the check of an image looks at; none if there is no image.

        Those that must exist are among them in any case, others if they do.
        """
        image = find_image(self.root, image_id)
        if image is None:
            return []
        needed = [self._map_file(image_id)] if "maps" in self.folders else []
        needed += [self._points_file(image_id, need) for need in self._point_needs]
        others = [other] if (other := _unused_png(image)) else []
        if self.masks:
            masks = DatasetFolder(self.root).mask_files(image_id)
            others += masks if all(os.path.isfile(path) for path in masks) else []
        return [image, *needed, *others]

    def given(self, image_id: str) -> str:
        """What the findings of an image depend on besides its files and the settings."""
        tags = None if self.tags is None else self.tags.get(image_id)
        return f"{image_id} {tags} {self.listed.get(image_id)}"

    @property
    def settings(self) -> str:
        """What the findings of all images depend on besides their files."""
        folders = dict(sorted(self.folders.items()))
        parts = (self.root, self.class_names, self.decode, folders, self.tags is not None)
        return repr((*parts, self.masks, self.json_file, self.score_thresh))

    @property
    def _point_needs(self) -> list[str]:
        return [need for need in ("peak_points", "clicks") if need in self.folders]

    def __call__(self, image_id: str) -> ImageFindings:
        found = ImageFindings()
        shape = self._check_image(image_id, found)
        if shape is not None and self.listed.get(image_id, shape) != shape:
            mismatch = size_mismatch(self.listed[image_id], "the image itself", shape)
            found.error(self.json_file, f"its image '{image_id}' {mismatch}")
        tags = None if self.tags is None else self.tags.get(image_id)
        if "maps" in self.folders:
            self._check_map(self._map_file(image_id), shape, tags, found)
        for need in self._point_needs:
            path = self._points_file(image_id, need)
            points = self._check_points(path, shape, tags, found, clicks=need == "clicks")
            folder = self.folders[need]
            found.points_per_class[folder] = _count_points(points, len(self.class_names))
            found.trusted_points[folder] = count_trusted(points, self.score_thresh)
        if self.masks:
            self._check_masks(image_id, shape, found)
        return found

    def _map_file(self, image_id: str) -> str:
        return os.path.join(self.root, self.folders["maps"], f"{image_id}.png")

    def _points_file(self, image_id: str, need: str) -> str:
        return os.path.join(self.root, self.folders[need], f"{image_id}.txt")

    def _check_image(self, image_id: str, found: ImageFindings) -> tuple[int, int] | None:
        path = find_image(self.root, image_id)
        if path is None:
            if os.path.isdir(DatasetFolder(self.root).image_folder):
                found.problems.append(Problem.from_error(missing_image(self.root, image_id)))
            return None
        if other := _unused_png(path):
            name = f"{image_id}{os.path.splitext(path)[1]}"
            found.warning(other, f"is not used: {name} is the image of this id")
        if not self.decode:
            return found.attempt(self.files.image_size, path)
        shape = found.attempt(self.files.image_shape, path)
        if shape is not None and min(shape) < SMALL_SIDE:
            size = f"{shape[0]} x {shape[1]} pixels (height x width)"
            found.warning(path, f"is of {size}; images under {SMALL_SIDE} on a side hold no object")
        return shape

    def _check_map(
        self, path: str, shape: tuple | None, tags: list[int] | None, found: ImageFindings
    ) -> None:
        counted = found.attempt(self.files.map_counts, path)
        if counted is None:
            return
        map_shape, found.map_pixels = counted
        if shape is not None and map_shape != shape:
            found.error(path, size_mismatch(map_shape, "its image", shape))
        values = np.flatnonzero(found.map_pixels).tolist()
        classes = [value - 1 for value in values if 0 < value < IGNORE]
        unknown = [class_id for class_id in classes if class_id >= len(self.class_names)]
        if self.class_names and unknown:
            accepted = f"0 (background), 1..{len(self.class_names)} (class + 1), 255 (ignore)"
            given = [class_id + 1 for class_id in unknown]
            found.error(path, f"has the values {given}; accepted: {accepted}")
        if tags is None:
            return
        for class_id in sorted(set(tags) - set(classes)):
            found.warning(path, f"no pixel has the tag {self._name(class_id)}")
        for class_id in sorted(set(classes) - set(tags) - set(unknown)):
            found.warning(path, f"has pixels of {self._name(class_id)}, no tag of the image")

    def _check_points(
        self,
        path: str,
        shape: tuple | None,
        tags: list[int] | None,
        found: ImageFindings,
        clicks: bool,
    ) -> list[PointRow]:
        errors: list[DataError] = []
        points = self.files.point_rows(path, errors)
        found.problems += [Problem.from_error(error) for error in errors]
        num_classes = len(self.class_names)
        seen: dict[tuple, int] = {}
        for y, x, class_id, score, line in points:
            y, x = math.floor(y), math.floor(x)
            if num_classes and class_id >= num_classes:
                found.error(path, f"class {class_id}; 0..{num_classes - 1} are accepted", line)
            elif tags is not None and class_id not in tags:
                found.warning(path, f"{self._name(class_id)} is not a tag of the image", line)
            if clicks and score != 1:
                found.warning(path, f"confidence {score:g}; clicks have 1.0", line)
            if shape is not None and not (0 <= y < shape[0] and 0 <= x < shape[1]):
                size = f"{shape[1]} x {shape[0]} (width x height)"
                found.error(path, f"x {x:g}, y {y:g} lies outside the image of {size}", line)
            first = seen.setdefault((y, x, class_id), line)
            if first != line:
                found.warning(path, f"is the same point as line {first}", line)
        if clicks and tags is not None and not errors:
            for class_id in sorted(set(tags) - {point.class_id for point in points}):
                found.warning(path, f"no click has the tag {self._name(class_id)}")
        return points

    def _check_masks(self, image_id: str, shape: tuple | None, found: ImageFindings) -> None:
        paths = DatasetFolder(self.root).mask_files(image_id)
        if self.masks == "optional" and not all(os.path.isfile(path) for path in paths):
            return
        masks = found.attempt(self.files.instances, *paths)
        if masks is None:
            return
        mask_shape, classes = masks
        num_classes = len(self.class_names)
        found.objects_per_class = np.bincount(classes[classes < num_classes], minlength=num_classes)
        if shape is not None and mask_shape != shape:
            found.error(paths[0], size_mismatch(mask_shape, "its image", shape))
        unknown = sorted({int(c) for c in classes if c >= len(self.class_names)})
        if self.class_names and unknown:
            accepted = f"0..{len(self.class_names)}, 255"
            found.error(
                paths[1], f"has the values {[c + 1 for c in unknown]}; accepted: {accepted}"
            )

    def _name(self, class_id: int) -> str:
        known = class_id < len(self.class_names)
        return f"class {class_id} ({self.class_names[class_id]})" if known else f"class {class_id}"


@dataclass(frozen=True)
class CocoImageChecker:
    """Checks the image of an entry of a COCO json, called with the entry.

    Attributes:
        json_file: the json.
        image_dir: folder of its images.
        files: reads them.
    """

    json_file: str
    image_dir: str
    files: FileFindings

    @property
    def settings(self) -> str:
        """What the findings of all images depend on besides their files."""
        return repr((self.image_dir, self.json_file))

    def is_known(self, image: Mapping[str, Any]) -> bool:
        """Whether an earlier check has decoded the image."""
        return self.files.knows(*self.files_of(image))

    def files_of(self, image: Mapping[str, Any]) -> list[str]:
        """The image's path."""
        return [os.path.join(self.image_dir, image["file_name"])]

    def given(self, image: Mapping[str, Any]) -> str:
        """The size that the json lists."""
        return str((image["height"], image["width"]))

    def __call__(self, image: Mapping[str, Any]) -> ImageFindings:
        found = ImageFindings()
        (path,) = self.files_of(image)
        shape, listed = (
            found.attempt(self.files.image_shape, path),
            (image["height"], image["width"]),
        )
        if shape is not None and shape != listed:
            found.error(path, size_mismatch(shape, self.json_file, listed))
        return found


def _unused_png(image: str) -> str:
    """The PNG beside an image of another suffix; "": there is none."""
    stem, suffix = os.path.splitext(image)
    path = f"{stem}.png"
    return path if suffix != ".png" and os.path.isfile(path) else ""


def _to_list(counts: np.ndarray | int) -> list[int] | int:
    return counts.tolist() if isinstance(counts, np.ndarray) else counts


def _count_points(points: Iterable[PointRow], num_classes: int) -> np.ndarray:
    counts = np.zeros(num_classes, np.int64)
    for point in points:
        if point.class_id < num_classes:
            counts[point.class_id] += 1
    return counts


def size_mismatch(shape: tuple[int, int], other: str, other_shape: tuple[int, int]) -> str:
    """Message for two things whose (height, width) should be the same."""
    this, that = (f"{height} x {width}" for height, width in (shape, other_shape))
    return f"is of {this} pixels (height x width), {other} of {that}"
