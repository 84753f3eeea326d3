"""Checks that need the whole split: files that are in order, but hold nothing to learn from.

Called by ``data.checks.dataset`` with the counts of a split whose files were checked one by one.
"""

import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np

from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import Problem
from bestie.data.registration import ground_truth_json
from bestie.formats import DatasetFolder, read_split
from bestie.regions import IGNORE

__all__ = ["SplitChecker", "shared_ids"]

BACKGROUND_NAMES = ("background", "_background_", "__background__")


@dataclass(frozen=True)
class SplitChecker:
    """Checks the counts of a split.

    Attributes:
        root: folder-contract root.
        split: name of the split.
        needs: what must be there, of ``data.checks.dataset.NEEDS``.
        folders: folder under the root of each need of maps or points that is there.
        tagged: tags were read.
        score_thresh: confidence above which points train.
    """

    root: str
    split: str
    needs: Set[str]
    folders: Mapping[str, str]
    tagged: bool
    score_thresh: float

    def __call__(self, report: DatasetReport, trusted: Mapping[str, int]) -> list[Problem]:
        """All problems of the split.

        Args:
            report: what was found so far.
            trusted: folder -> number of points above ``score_thresh``.
        """
        found = list(self._background_classes(report))
        if not report.count("error"):  # otherwise emptiness is the consequence of these
            found += self._absent_classes(report)
            found += self._constant_classes(report)
            found += [
                self._problem("error", name, f"{message} (split '{self.split}')")
                for name, message in self._nothing_to_learn(report, trusted)
            ]
        return found

    def _problem(self, severity: str, name: str, message: str, line: int | None = None) -> Problem:
        return Problem(severity, os.path.join(self.root, name), line, message)

    def _nothing_to_learn(
        self, report: DatasetReport, trusted: Mapping[str, int]
    ) -> Iterator[tuple[str, str]]:
        images = report.images_per_class
        if self.tagged and images is not None and not images.any():
            yield self._label_file(), "no image has a tag"
        for need, folder in self.folders.items():
            if need == "maps":
                if not report.map_pixels[1:IGNORE].any():
                    yield folder, "no map has a pixel of a class (class + 1)"
            elif not report.points_per_class[folder].any():
                yield folder, "no file has a point"
            elif not trusted[folder]:
                threshold = f"{self.score_thresh:g} (INPUT.POINT_SCORE_THRESH)"
                yield folder, f"no point has a confidence above {threshold}"
        objects = report.objects_per_class
        if "ground_truth" in self.needs and objects is not None and not objects.any():
            name = os.path.relpath(ground_truth_json(self.root, self.split), self.root)
            yield name, "has no annotation that is not a crowd"

    def _background_classes(self, report: DatasetReport) -> Iterator[Problem]:
        for line, name in enumerate(report.class_names, 1):
            if name.lower() in BACKGROUND_NAMES:
                message = f"'{name}' is a class here; the background needs no line"
                file = os.path.basename(DatasetFolder(self.root).classes_file)
                yield self._problem("warning", file, message, line)

    def _absent_classes(self, report: DatasetReport) -> Iterator[Problem]:
        if not self.tagged or report.images_per_class is None:
            return
        absent = np.flatnonzero(report.images_per_class == 0)
        if 0 < len(absent) < len(report.class_names):
            names = ", ".join(report.class_names[i] for i in absent[:10])
            message = (
                f"{len(absent)} of the classes have no image in the split '{self.split}': "
                f"{names}{', ...' * (len(absent) > 10)}"
            )
            yield self._problem("warning", self._label_file(), message)

    def _constant_classes(self, report: DatasetReport) -> Iterator[Problem]:
        if not self.tagged or report.images_per_class is None or "maps" in self.folders:
            return
        for class_id in np.flatnonzero(report.images_per_class == report.num_images):
            message = (
                f"every image of the split '{self.split}' has the class {class_id} "
                f"({report.class_names[class_id]}): a classifier cannot learn from that where it "
                "is; add images without it, or semantic maps"
            )
            yield self._problem("warning", self._label_file(), message)

    def _label_file(self) -> str:
        folder = DatasetFolder(self.root)
        exists = os.path.exists(folder.tags_file)
        return os.path.basename(folder.tags_file if exists else folder.xml_folder)


def shared_ids(root: str, split: str, other: str) -> list[Problem]:
    """One warning about the images that stand in two splits of a root, or none."""
    known = set(read_split(root, split, []))
    shared = [image_id for image_id in read_split(root, other, []) if image_id in known]
    if not shared:
        return []
    message = (
        f"{len(shared)} of its images are in the split '{split}' too, '{shared[0]}' the first; "
        "an evaluation on images that were trained on says little"
    )
    path = DatasetFolder(root).split_file(other)
    return [Problem("warning", path, None, message)]
