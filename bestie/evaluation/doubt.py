"""How doubtful the labels of an image are: which images to correct first, without ground truth.

The doubt of an image is the mean of up to four parts in [0, 1], times log2(1 + candidates):

- ``scores``: 1 - the mean score of the labels; 1 if there is no label where something must be;
- ``points``: 1 - 2 m / (labels + points), where m labels hold exactly one point of their class;
- ``maps``: 1 - IoU of what labels and weak map say about pixels, over all classes (pixels that the
  map ignores are left out);
- ``tags``: share of the tags without a label.

A part that cannot be computed (no map, no points, no tags, nothing in the image) takes no part in
the mean. Candidates are what could be an object: labels, points or tags, whichever are most. So the
number estimates how many labels an annotator would change, where the logarithm keeps crowded images
from taking all places.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bestie.evaluation.masks import LabelledMasks
from bestie.formats import Points, decode_mask
from bestie.regions import IGNORE

__all__ = ["Doubt", "label_doubt"]


@dataclass(frozen=True)
class Doubt:
    """The parts of an image's doubt; see the module.

    Attributes:
        scores, points, maps, tags: in [0, 1]; None: cannot be computed.
        candidates: number of labels, points or tags, whichever are most.
    """

    scores: float | None
    points: float | None
    maps: float | None
    tags: float | None
    candidates: int

    @property
    def total(self) -> float:
        """The doubt, 0 or more; 0 if no part can be computed."""
        parts = (self.scores, self.points, self.maps, self.tags)
        known = [part for part in parts if part is not None]
        return sum(known) / len(known) * math.log2(1 + self.candidates) if known else 0.0


def label_doubt(
    labels: LabelledMasks,
    points: Points | None,
    semantic_map: np.ndarray | None,
    tags: Sequence[int] | None,
    threshold: float = -math.inf,
) -> Doubt:
    """Compute the doubt of an image.

    Args:
        labels: with their scores in [0, 1].
        points: cues or clicks, unsure ones included; None: there are none of this data.
        semantic_map: (H, W) uint8 weak map: 0 background, class + 1, 255 ignore; None: none.
        tags: class ids; None: not known.
        threshold: points above this confidence count as points; all count as candidates.
    """
    sure = None if points is None else points.scores > threshold
    number = 0 if points is None else len(points)
    expected = number > 0 or bool(tags)
    scores = 1 - float(labels.scores.mean()) if len(labels) else (1.0 if expected else None)
    missing = set(tags or ()) - set(labels.classes.tolist())
    return Doubt(
        scores=scores,
        points=None if points is None or sure is None else _of_points(labels, points, sure),
        maps=None if semantic_map is None else _of_map(labels, semantic_map),
        tags=len(missing) / len(set(tags)) if tags else None,
        candidates=max(len(labels), number, len(set(tags or ()))),
    )


def _of_points(labels: LabelledMasks, points: Points, sure: np.ndarray) -> float | None:
    classes = points.classes[sure]
    whole = len(labels) + len(classes)
    if not whole:
        return None
    y, x = np.floor(points.yx[sure]).astype(int).T
    single = 0
    free = np.ones(len(y), bool)  # a point belongs to one label
    for rle, class_id in zip(labels.rles, labels.classes, strict=True):
        mask = decode_mask(rle, *rle["size"])
        inside = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
        held = np.zeros(len(y), bool)
        held[inside] = mask[y[inside], x[inside]] & (classes[inside] == class_id)
        if held.sum() == 1 and free[held].all():
            single += 1
            free &= ~held
    return 1 - 2 * single / whole


def _of_map(labels: LabelledMasks, semantic_map: np.ndarray) -> float | None:
    known = semantic_map != IGNORE
    in_map = np.bincount(semantic_map[known], minlength=IGNORE + 1)
    classes = set(labels.classes.tolist()) | set((np.flatnonzero(in_map[1:])).tolist())
    common = whole = 0
    for class_id in classes:
        labelled = np.zeros(semantic_map.shape, bool)
        for index in np.flatnonzero(labels.classes == class_id):
            labelled |= decode_mask(labels.rles[index], *semantic_map.shape)
        labelled &= known
        both = int((labelled & (semantic_map == class_id + 1)).sum())
        common += both
        whole += int(labelled.sum()) + int(in_map[class_id + 1]) - both
    return 1 - common / whole if whole else None
