"""A folder-contract root of a few images with two classes, every instance known by hand."""

from pathlib import Path

import numpy as np
from detectron2.structures import Boxes, Instances
from PIL import Image
from torch import as_tensor

from bestie.data import register_dataset
from bestie.evaluation.coco_export import coco_labels, label_annotations
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import write_coco, write_semantic_map

HEIGHT, WIDTH = 12, 20
CLASS_NAMES = ["cat", "dog"]
# Per image: (class, top, left, bottom, right) of each object.
OBJECTS = [
    [(0, 0, 0, 4, 10), (0, 6, 0, 12, 10)],
    [(1, 2, 2, 10, 12)],
    [],
    [(0, 0, 0, 12, 8), (1, 0, 8, 12, 16)],
    [(1, 1, 1, 5, 5)],
]


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """(HEIGHT, WIDTH) bool."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def labels_of(boxes: list[tuple], scores: list[float] | None = None) -> LabelledMasks:
    """Rectangles (class, top, left, bottom, right) as masks."""
    masks = np.array([rectangle(*box) for _, *box in boxes]).reshape(-1, HEIGHT, WIDTH)
    return LabelledMasks.from_arrays(masks, [box[0] for box in boxes], scores)


def instances_of(boxes: list[tuple], scores: list[float] | None = None) -> Instances:
    """Rectangles as a model's output."""
    instances = Instances((HEIGHT, WIDTH))
    masks = np.array([rectangle(*box) for _, *box in boxes]).reshape(-1, HEIGHT, WIDTH)
    corners = [[left, top, right, bottom] for _, top, left, bottom, right in boxes]
    instances.pred_masks = as_tensor(masks)
    instances.pred_boxes = Boxes(as_tensor(corners).float().reshape(-1, 4))
    instances.scores = as_tensor([1.0] * len(boxes) if scores is None else scores)
    instances.pred_classes = as_tensor([box[0] for box in boxes]).long()
    return instances


def write_root(
    root: Path,
    *,
    objects: list[list[tuple]] = OBJECTS,
    pngs: bool = True,
    json: bool = True,
    tags: bool = True,
) -> str:
    """Write the root and register its only split; returns the name of the data set."""
    names = [f"img{number}" for number in range(len(objects))]
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(names) + "\n")
    generator = np.random.default_rng(0)
    for name in names:
        pixels = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.png")
    if tags:
        lines = [
            " ".join([name, *sorted({str(box[0]) for box in boxes})])
            for name, boxes in zip(names, objects, strict=True)
        ]
        (root / "image_labels.txt").write_text("\n".join(lines) + "\n")
    for name, boxes in zip(names, objects, strict=True):
        class_map, object_map = np.zeros((2, HEIGHT, WIDTH), dtype=np.uint8)
        for number, (class_id, *box) in enumerate(boxes, 1):
            class_map[rectangle(*box)] = class_id + 1
            object_map[rectangle(*box)] = number
        write_semantic_map(root / "WSSS_maps" / f"{name}.png", class_map)
        if pngs:
            write_semantic_map(root / "SegmentationClass" / f"{name}.png", class_map)
            write_semantic_map(root / "SegmentationObject" / f"{name}.png", object_map)
    if json:
        path = root / "annotations/instances_train.json"
        write_coco(path, coco_of(names, objects))
    dataset_name = f"folder:{root}:train"
    register_dataset(dataset_name)
    return dataset_name


def coco_of(names: list[str], objects: list[list[tuple]], first_id: int = 101) -> dict:
    """A COCO dict of rectangles; image ids count from ``first_id``."""
    records = [
        {"image_id": first_id + i, "file_name": f"{name}.png", "height": HEIGHT, "width": WIDTH}
        for i, name in enumerate(names)
    ]
    annotations = [label_annotations(labels_of(boxes)) for boxes in objects]
    return coco_labels(records, annotations, CLASS_NAMES, "", "rectangles")
