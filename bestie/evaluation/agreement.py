"""Agreement of cues, weak maps and labels: a check of labels that needs no ground truth.

Compares the points, semantic map, labels and tags of each image, and returns shares in percent.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from bestie.evaluation.masks import LabelledMasks
from bestie.formats import Points, decode_mask
from bestie.regions import IGNORE

__all__ = ["measure_agreement"]


def measure_agreement(
    images: Iterable[tuple[Points, np.ndarray, LabelledMasks, Sequence[int]]],
) -> dict[str, float | None]:
    """Compare the parts of each image of a data set.

    Args:
        images: points (those that train), semantic map ((H, W) uint8: 0 background, class + 1, 255
            ignore), labels and tags of each image.

    Returns:
        In percent, None if the denominator is 0:

        - ``cues_in_maps``: points on a map pixel of their class;
        - ``cues_in_labels``: points inside a label of their class;
        - ``labels_with_one_cue``: labels that hold exactly one point of their class;
        - ``labels_in_maps``: pixels of labels that have their class in the map (ignored ones left
          out);
        - ``maps_in_labels``: foreground pixels of maps inside a label of their class;
        - ``tags_with_labels``: tags of which the image has a label (coverage).
    """
    names = [
        *("cues_in_maps", "cues_in_labels", "labels_with_one_cue"),
        *("labels_in_maps", "maps_in_labels", "tags_with_labels"),
    ]
    # Rows: the names; columns: agreeing, all.
    counts = np.zeros((len(names), 2), np.int64)
    for points, semantic_map, labels, tags in images:
        counts += _count(points, semantic_map, labels, tags)
    return {
        name: 100 * part / whole if whole else None
        for name, (part, whole) in zip(names, counts.tolist(), strict=True)
    }


def _count(
    points: Points, semantic_map: np.ndarray, labels: LabelledMasks, tags: Sequence[int]
) -> np.ndarray:
    """(6, 2) int64, see :func:`measure_agreement`."""
    height, width = semantic_map.shape
    y, x = np.floor(points.yx).astype(int).T
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x, classes = y[inside], x[inside], points.classes[inside]
    in_label = np.zeros(len(classes), bool)
    covered = np.zeros(semantic_map.shape, bool)
    one_cue = agreeing = known = 0
    for rle, class_id in zip(labels.rles, labels.classes, strict=True):
        mask = decode_mask(rle, height, width)
        held = mask[y, x] & (classes == class_id)
        in_label |= held
        one_cue += int(held.sum()) == 1
        same = mask & (semantic_map == class_id + 1)
        agreeing += int(same.sum())
        known += int((mask & (semantic_map != IGNORE)).sum())
        covered |= same
    foreground = (semantic_map > 0) & (semantic_map != IGNORE)
    labelled = len(set(tags) & set(labels.classes.tolist()))
    return np.array(
        [
            [int((semantic_map[y, x] == classes + 1).sum()), len(points)],
            [int(in_label.sum()), len(points)],
            [one_cue, len(labels)],
            [agreeing, known],
            [int(covered.sum()), int(foreground.sum())],
            [labelled, len(set(tags))],
        ]
    )
