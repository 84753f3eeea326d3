"""The true instances of a split as one COCO json, whatever form a root has them in.

The COCO json of the split, or without it the mask files of each image
(``SegmentationObject``, ``SegmentationClass``).
"""

import os
from collections.abc import Collection
from typing import Any

from bestie.formats.base import DataError
from bestie.formats.coco import read_coco
from bestie.formats.dataset_folder import DatasetFolder, find_image
from bestie.formats.images import read_instances
from bestie.formats.instances import coco_annotations, coco_categories

__all__ = ["image_stem", "part_of_coco", "true_instances"]


def true_instances(root: str | os.PathLike, split: str) -> dict[str, Any]:
    """The true instances of the images of a split, in COCO's format.

    Raises:
        DataError: an image of which there are none, or files that cannot be read.
    """
    folder = DatasetFolder(root)
    ids, path = folder.read_split(split), folder.ground_truth_json(split)
    if not os.path.isfile(path):
        return _of_mask_files(folder, ids)
    coco = read_coco(path)
    listed = {image_stem(image) for image in coco["images"]}
    if missing := [image_id for image_id in ids if image_id not in listed]:
        raise DataError(f"lacks the image '{missing[0]}' of the split", path)
    return part_of_coco(coco, ids)


def part_of_coco(coco: dict[str, Any], ids: Collection[str]) -> dict[str, Any]:
    """The images with these ids (stems of their files), with their annotations."""
    wanted = set(ids)
    images = [image for image in coco["images"] if image_stem(image) in wanted]
    kept = {image["id"] for image in images}
    annotations = [entry for entry in coco["annotations"] if entry["image_id"] in kept]
    return {**coco, "images": images, "annotations": annotations}


def image_stem(image: dict[str, Any]) -> str:
    """Id in a root of an image entry of its COCO json."""
    return os.path.splitext(image["file_name"])[0]


def _of_mask_files(folder: DatasetFolder, ids: list[str]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image_id in enumerate(ids, 1):
        instance_map, _, classes = read_instances(*folder.mask_files(image_id))
        height, width = instance_map.shape
        path = find_image(folder.root, image_id) or folder.image_file(image_id)
        name = os.path.basename(path)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations += coco_annotations(instance_map, classes, number, len(annotations) + 1)
    categories = coco_categories(folder.read_class_names())
    return {"images": images, "annotations": annotations, "categories": categories}
