"""Labels that need no network: components of the weak maps, all of them or those with one cue.

From a registered folder-contract data set with weak maps and points, makes labels as a COCO dict,
which ``bestie.formats.write_coco`` writes and
:func:`~bestie.evaluation.label_quality.evaluate_labels` scores.
"""

import os

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.evaluation.coco_export import coco_labels, label_annotations
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import read_points, read_semantic_map
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.regions.components import Components, find_components

__all__ = ["labels_from_components"]


def labels_from_components(
    dataset_name: str,
    min_area: int = 50,
    maps_dir: str | os.PathLike | None = None,
    points_dir: str | os.PathLike | None = None,
    score_threshold: float = 0.7,
) -> dict:
    """Label 8-connected components of the tagged classes (of any class, for images without tags).

    Every component; or, with points, those that hold exactly one point of their class: the pseudo
    labels of semantic knowledge transfer (paper, section 3.2).

    The score is the area over that of the largest component of the split: weak maps are right about
    large regions more often than about small ones, and average precision needs an order.

    Args:
        dataset_name: a registered folder-contract data set.
        min_area: components smaller than this (pixels) are ignored.
        maps_dir: folder of the maps; None: WSSS_maps of the data's root.
        points_dir: folder of the points; None: every component is a label.
        score_threshold: points above this confidence count.

    Raises:
        ValueError: an image has no weak map, or no point file.
    """
    metadata = MetadataCatalog.get(dataset_name)
    every_class = range(len(metadata.thing_classes))
    records = DatasetCatalog.get(dataset_name)
    found = []
    for record in records:
        path = record.get("semantic_map_file")
        if maps_dir is not None:
            path = os.path.join(maps_dir, f"{record['image_name']}.png")
        if path is None:
            raise ValueError(f"{record['file_name']} of '{dataset_name}' has no weak semantic map")
        semantic_map = read_semantic_map(path)
        components = find_components(
            semantic_map, record.get("image_labels", every_class), min_area
        )
        chosen = np.arange(len(components))
        if points_dir is not None:
            path = os.path.join(points_dir, f"{record['image_name']}.txt")
            chosen = chosen[_accepted(components, path, score_threshold)]
        every = LabelledMasks.from_label_map(
            components.map, components.classes, components.areas.tolist()
        )
        found.append(every.select(np.isin(np.arange(len(every)), chosen)))
    largest = max((labels.scores.max(initial=1) for labels in found), default=1)
    annotations = [
        label_annotations(LabelledMasks(labels.rles, labels.classes, labels.scores / largest))
        for labels in found
    ]
    return coco_labels(
        records,
        annotations,
        metadata.thing_classes,
        metadata.image_root,
        "each connected component of the weak map is an instance"
        if points_dir is None
        else "each connected component of the weak map with exactly one point is an instance",
    )


def _accepted(components: Components, path: str, score_threshold: float) -> np.ndarray:
    """(K,) bool: components that hold exactly one point of a file above the threshold."""
    points = read_points(path)
    counted = points.scores > score_threshold
    return accept_components(components, points.yx[counted], points.classes[counted])
