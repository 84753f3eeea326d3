"""The baseline: each connected component of the weak semantic map is an instance.

Comes in: a registered folder-contract data set with weak maps. Goes out: labels as a COCO dict,
to be written by ``bestie.files.write_coco`` or scored by
:func:`~bestie.evaluation.label_quality.evaluate_labels`. Called by ``tools/evaluate_labels.py
--baseline``.
"""

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.evaluation.coco_export import coco_labels, label_annotations
from bestie.evaluation.masks import LabelledMasks
from bestie.files import read_semantic_map
from bestie.labels.components import find_components

__all__ = ["labels_from_components"]


def labels_from_components(dataset_name: str, min_area: int = 50) -> dict:
    """Label every 8-connected component of a tagged class (any class, for images without tags).

    The score is the area over that of the largest component of the split: weak maps are right about
    large regions more often than about small ones, and average precision needs an order.

    Args:
        dataset_name: a registered folder-contract data set.
        min_area: components under it are passed over, pixels.

    Raises:
        ValueError: an image has no weak map.
    """
    metadata = MetadataCatalog.get(dataset_name)
    every_class = range(len(metadata.thing_classes))
    records = DatasetCatalog.get(dataset_name)
    found = []
    for record in records:
        if "semantic_map_file" not in record:
            raise ValueError(f"{record['file_name']} of '{dataset_name}' has no weak semantic map")
        semantic_map = read_semantic_map(record["semantic_map_file"])
        components = find_components(
            semantic_map, record.get("image_labels", every_class), min_area
        )
        numbers = np.arange(1, len(components) + 1)[:, None, None]
        masks = components.map[None] == numbers
        found.append(LabelledMasks.from_arrays(masks, components.classes, components.areas))
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
        "each connected component of the weak map is an instance",
    )
