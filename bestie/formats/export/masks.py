"""Mask PNGs in the folder contract: a root of their own, as VOC has its ground truth.

``SegmentationObject/<id>.png`` holds 1, 2, ... for the objects of an image,
``SegmentationClass/<id>.png`` class + 1. A pixel belongs to one object only: of those that cover it
to the one with the highest score, and among equal scores (or none) to the smallest.
"""

from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from bestie.formats.base import DataError
from bestie.formats.dataset_folder import DatasetFolder, make_ids
from bestie.formats.export.base import LabelledImage, LabelSet, Package
from bestie.formats.images import write_semantic_map
from bestie.progress import track

__all__ = ["SPLIT", "write_mask_root"]

SPLIT = "train_s"
# 255 is "ignore" in these files.
MOST_OBJECTS = 254


def write_mask_root(labels: LabelSet, package: Package) -> None:
    """Fill a package: photos, masks, tags, classes and the split ``train_s``.

    Raises:
        DataError: more than 254 objects in an image, or classes.
    """
    for found, what in [
        (len(labels.class_names), "the labels have {} classes"),
        *((len(image.objects), f"'{image.name}' has {{}} objects") for image in labels.images),
    ]:
        if found > MOST_OBJECTS:
            raise DataError(f"{what.format(found)}; a mask PNG holds at most {MOST_OBJECTS}")
    images = {image.name: image for image in labels.images}
    ids = make_ids(sorted(map(Path, images)), Path("."))
    folder = DatasetFolder(package.folder)
    folder.write_class_names(labels.class_names)
    tags, lines = {}, []
    for image_id, path in track(ids.items(), "images"):
        image = images[path.as_posix()]
        instance_map, class_map = _draw(image, package)
        object_file, class_file = folder.mask_files(image_id)
        write_semantic_map(object_file, instance_map)
        write_semantic_map(class_file, class_map)
        photo = Path(folder.image_file(image_id, path.suffix)).relative_to(package.folder)
        package.put_photo(image, photo.as_posix())
        tags[image_id] = sorted(set((class_map[class_map > 0].astype(int) - 1).tolist()))
        lines.append(f"{image_id}\t{image.name}\n")
    folder.add_tags(tags)
    folder.write_split(SPLIT, ids)
    package.write_text("source_files.tsv", "".join(lines))


def _draw(image: LabelledImage, package: Package) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 maps of objects, numbered without gaps, and of classes."""
    objects = np.zeros(image.size, np.uint8)
    areas = [int(coco_mask.area(item.rle)) for item in image.objects]
    scores = [1.0 if item.score is None else item.score for item in image.objects]
    order = sorted(range(len(areas)), key=lambda index: (scores[index], -areas[index]))
    overlapping = 0
    for index in order:
        mask = image.objects[index].mask
        overlapping += bool((objects[mask] > 0).any())
        objects[mask] = index + 1
    if overlapping:
        package.notes["objects overlap another one, which keeps its own pixels only"] += overlapping
    visible = np.unique(objects[objects > 0]).astype(int) - 1
    if hidden := len(areas) - len(visible):
        package.notes["objects without a pixel of their own were left out"] += hidden
    number = np.zeros(256, np.uint8)
    number[visible + 1] = np.arange(1, len(visible) + 1)
    class_of = np.zeros(256, np.uint8)
    class_of[visible + 1] = [image.objects[index].class_id + 1 for index in visible]
    return number[objects], class_of[objects]
