"""Quality of instance cues: how many there are, and whether each object has exactly one.

Compares the cues of each image with its objects (masks or clicks), where these are known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from tabulate import tabulate

from bestie.evaluation.masks import LabelledMasks
from bestie.formats import Points, decode_mask

__all__ = ["BACKGROUND", "OTHER_CLASS", "CueReport", "assign_cues", "report_cues"]

# Owners of cues that lie on no object, or on objects of other classes only.
BACKGROUND, OTHER_CLASS = -1, -2
SCORE_BINS = 10


@dataclass(frozen=True)
class CueReport:
    """Numbers of the cues of a data set; where it says C, a list with one entry per class.

    Attributes:
        class_names (list[str]): C names.
        score_threshold (float): cues above it train BESTIE; they alone are counted, but in
            ``scores``.
        truth (str): what the objects are known by: "masks", "clicks" or "" (not known).
        images (int): number of images.
        images_without_cues (int): how many of them have no counted cue.
        cues_per_image (dict[int, int]): number of images with so many counted cues.
        cues (list[int]): C, counted cues.
        one (list[int]): C, objects with exactly one counted cue of their class.
        several (list[int]): C, with more.
        none (list[int]): C, with none.
        background (list[int]): C, counted cues on no object (clicks: of a class without clicks).
        other_class (list[int]): C, on objects of other classes.
        scores (list[int]): all cues with confidence in [0, 0.1), ..., [0.9, 1].
    """

    class_names: list[str]
    score_threshold: float
    truth: str
    images: int
    images_without_cues: int
    cues_per_image: dict[int, int]
    cues: list[int]
    one: list[int]
    several: list[int]
    none: list[int]
    background: list[int]
    other_class: list[int]
    scores: list[int]

    def as_dict(self) -> dict:
        """Ready for json."""
        return asdict(self)

    def table(self) -> str:
        """Text tables for people."""
        total = sum(self.cues)
        head = (
            f"{total} cues above {self.score_threshold:g} on {self.images} images, "
            f"{total / max(self.images, 1):.2f} an image; {self.images_without_cues} images "
            "without such cues"
        )
        counts = sorted(self.cues_per_image.items())
        scores = [
            [f"{bin_ / SCORE_BINS:.1f}-{(bin_ + 1) / SCORE_BINS:.1f}", count]
            for bin_, count in enumerate(self.scores)
        ]
        tables = [
            self._class_table(),
            tabulate(counts, ["cues an image", "images"], tablefmt="pipe"),
            tabulate(scores, ["confidence", "all cues"], tablefmt="pipe"),
        ]
        return "\n\n".join([head, *tables])

    def _class_table(self) -> str:
        columns = {"cues": self.cues}
        if self.truth:
            columns["objects"] = np.sum([self.one, self.several, self.none], axis=0).tolist()
            columns |= {"one cue": self.one, "several": self.several, "none": self.none}
        if self.truth == "clicks":
            columns["class without a click"] = self.background
        elif self.truth:
            columns |= {"on background": self.background, "on other class": self.other_class}
        rows = [
            [name, *counts]
            for name, *counts in zip(self.class_names, *columns.values(), strict=True)
            if any(counts)
        ]
        totals = ["total", *map(sum, columns.values())]
        return tabulate([*rows, totals], ["class", *columns], tablefmt="pipe")


def assign_cues(cues: Points, objects: LabelledMasks | Points) -> np.ndarray:
    """Find the object that each cue stands for.

    Args:
        cues: P cues.
        objects: N masks: a cue belongs to the object of its class that it lies on; or N clicks: to
            the nearest click of its class.

    Returns:
        (P,) int64 in [0, N), BACKGROUND (on no object; clicks: of a class without clicks) or
        OTHER_CLASS (on objects of other classes only).
    """
    owner = np.full(len(cues), BACKGROUND, np.int64)
    if not len(cues) or not len(objects):
        return owner
    same_class = cues.classes[:, None] == objects.classes
    if isinstance(objects, Points):
        distance = np.linalg.norm(cues.yx[:, None] - objects.yx, axis=2)
        nearest = np.where(same_class, distance, np.inf).argmin(axis=1)
        return np.where(same_class.any(axis=1), nearest, owner)
    size = objects.rles[0]["size"]
    y, x = np.clip(np.floor(cues.yx).astype(int), 0, np.array(size) - 1).T
    # One mask at a time: all of a large photo's would take gigabytes.
    on_object = np.stack([decode_mask(rle, *size)[y, x] for rle in objects.rles], axis=1)
    on_own = on_object & same_class
    owner[on_object.any(axis=1)] = OTHER_CLASS
    return np.where(on_own.any(axis=1), on_own.argmax(axis=1), owner)


def report_cues(
    images: Iterable[tuple[Points, LabelledMasks | Points | None]],
    class_names: Sequence[str],
    score_threshold: float = 0.7,
) -> CueReport:
    """Count the cues of a data set.

    Args:
        images: cues of each image, and its objects, or None throughout if they are not known.
        class_names: C names.
        score_threshold: cues above it are compared with the objects.
    """
    truth, per_image, scores = "", [], [np.zeros(0)]
    counts = np.zeros((6, len(class_names)), np.int64)
    for points, objects in images:
        scores.append(points.scores)
        kept = points.scores > score_threshold
        cues = Points(points.yx[kept], points.classes[kept], points.scores[kept])
        per_image.append(len(cues))
        np.add.at(counts[0], cues.classes, 1)
        if objects is None:
            continue
        truth = "clicks" if isinstance(objects, Points) else "masks"
        owner = assign_cues(cues, objects)
        owned = np.bincount(owner[owner >= 0], minlength=len(objects))
        for row, chosen in enumerate((owned == 1, owned > 1, owned == 0), 1):
            np.add.at(counts[row], objects.classes[chosen], 1)
        for row, kind in enumerate((BACKGROUND, OTHER_CLASS), 4):
            np.add.at(counts[row], cues.classes[owner == kind], 1)
    numbers, images_with = np.unique(per_image, return_counts=True)
    histogram, _ = np.histogram(np.concatenate(scores), SCORE_BINS, range=(0, 1))
    names = ("cues", "one", "several", "none", "background", "other_class")
    return CueReport(
        class_names=list(class_names),
        score_threshold=score_threshold,
        truth=truth,
        images=len(per_image),
        images_without_cues=per_image.count(0),
        cues_per_image=dict(zip(numbers.astype(int).tolist(), images_with.tolist(), strict=True)),
        scores=histogram.tolist(),
        **dict(zip(names, counts.tolist(), strict=True)),
    )
