"""What a check of a data set found: problems and counts, as json and as a table.

It turns what ``data.checks.dataset`` counted into the json that the check tool and the pipeline
write, and into the lines that a person reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tabulate import tabulate

from bestie.data.checks.images import Problem
from bestie.regions import IGNORE

__all__ = ["DatasetReport"]


@dataclass
class DatasetReport:
    """Problems and counts of one split.

    Attributes:
        problems: everything found, in the order of the files.
        class_names: C names.
        num_images: ids in the split.
        images_per_class (ndarray | None): (C,) int64, images tagged with the class; where tags are
            not needed, images that the COCO json shows an object of it in; None: neither was read.
        map_pixels (ndarray): (256,) int64, pixels of the weak maps per value (0 background,
            class + 1, 255 ignore).
        points_per_class: folder -> (C,) int64, points in it.
        objects_per_class (ndarray | None): (C,) int64, annotations of the COCO json without crowds,
            or without a json the objects in the mask files, where these were needed; None: neither.
    """

    problems: list[Problem]
    class_names: list[str]
    num_images: int
    images_per_class: np.ndarray | None
    map_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    points_per_class: dict[str, np.ndarray] = field(default_factory=dict)
    objects_per_class: np.ndarray | None = None

    def count(self, severity: str) -> int:
        """Number of problems that are an "error" or a "warning"."""
        return sum(problem.severity == severity for problem in self.problems)

    def columns(self) -> dict[str, np.ndarray]:
        """Heading -> (C,) counts of a class."""
        columns = {} if self.images_per_class is None else {"images": self.images_per_class}
        columns |= self.points_per_class
        if self.map_pixels.any():
            columns["map pixels"] = self.map_pixels[1 : len(self.class_names) + 1]
        if self.objects_per_class is not None:
            columns["masks"] = self.objects_per_class
        return columns

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for json; counts are {class name: number}."""

        def by_class(counts: np.ndarray | None) -> dict[str, int] | None:
            if counts is None:
                return None
            return dict(zip(self.class_names, map(int, counts), strict=True))

        names = ["background", *self.class_names]
        pixels = dict(zip(names, self.map_pixels[: len(names)].tolist(), strict=True))
        points = {folder: by_class(counts) for folder, counts in self.points_per_class.items()}
        return {
            "images": self.num_images,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "images_per_class": by_class(self.images_per_class),
            "points_per_class": points,
            "map_pixels": pixels | {"ignore": int(self.map_pixels[IGNORE])},
            "objects_per_class": by_class(self.objects_per_class),
            "problems": [vars(problem) for problem in self.problems],
        }

    def table(self) -> str:
        """Counts of each class."""
        columns = self.columns()
        rows = zip(range(len(self.class_names)), self.class_names, *columns.values(), strict=True)
        return tabulate(list(rows), headers=["id", "class", *columns])

    def problem_lines(self, shown: int) -> Sequence[str]:
        """Errors first, then warnings, one per line, at most ``shown`` of either."""
        lines = []
        for severity in ("error", "warning"):
            these = [str(problem) for problem in self.problems if problem.severity == severity]
            lines += these[:shown]
            if len(these) > shown:
                number = len(these) - shown
                lines.append(f"... and {number} more {severity}{'s' * (number > 1)}")
        return lines
