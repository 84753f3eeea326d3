"""COCO json, with masks as run-length codes (exact) or polygons (read by more tools).

The images, categories and further keys of the source are kept. An annotation has one polygon per
part of its object.
"""

from typing import Any

from pycocotools import mask as coco_mask

from bestie.formats.coco import segmentation_rle, write_coco
from bestie.formats.export.base import LabelledObject, LabelSet, Package

__all__ = ["write_coco_labels"]


def write_coco_labels(labels: LabelSet, package: Package, name: str) -> None:
    """Write ``name`` into the package.

    Raises:
        DataError: Detectron2 or pycocotools would reject the result.
    """
    annotations = []
    for image in labels.images:
        for item in image.objects:
            entry = _annotation(item, package)
            if entry is not None:
                annotations.append(item.entry | entry)
    images = [image.entry for image in labels.images]
    write_coco(package.folder / name, labels.coco | {"images": images, "annotations": annotations})


def _annotation(item: LabelledObject, package: Package) -> dict[str, Any] | None:
    """The fields that depend on how masks are written; None: the object has no pixel."""
    segmentation: dict[str, Any] | list = _as_text(item.rle)
    if package.options.masks == "polygons":
        # Polygons of the source stay as they are.
        given = item.segmentation
        segmentation = given if isinstance(given, list) else package.polygons(item)
        if not segmentation:
            return None
    rle = segmentation_rle(segmentation, *item.size)
    area = int(coco_mask.area(rle))
    if area == 0:
        package.note_empty()
        return None
    return {"segmentation": segmentation, "area": area, "bbox": coco_mask.toBbox(rle).tolist()}


def _as_text(rle: dict[str, Any]) -> dict[str, Any]:
    """A code whose counts json can hold."""
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": text}
