"""COCO json as labels of the importer: clicks, masks or tags.

A mask is the "segmentation" of an annotation: polygons, or a run-length code, compressed or not.
Crowd regions are no objects. If there are neither points nor masks, and boxes are not clicks, the
json holds tags: the categories of the objects of each image.
"""

from pathlib import Path
from typing import Any

from bestie.formats.coco import segmentation_rle
from bestie.formats.coco_check import rle_mistake
from bestie.formats.labels.base import Labels, ReadOptions, StatedSize, read_json
from bestie.formats.labels.coco import CocoLabels, CocoObject, parse_coco, points_of
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.shapes import MAX_PIXELS, Coded, Outline, Shape, parse_flat_ring

__all__ = ["read_coco_labels"]


def read_coco_labels(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read clicks, masks, or without any the tags, of a COCO json into ``labels``."""
    content = read_json(path, labels)
    if content is None:
        return
    clicks = False if options.objects_as == "tags" else None
    coco = parse_coco(content, path, labels, options, clicks=clicks, masks=True)
    if labels.problems:
        return
    labels.class_names = list(coco.categories.values())
    for image in coco.images.values():
        labels.add(image["file_name"], (), None, path)
    unseen = sum(not _add_object(entry, coco, path, labels, options) for entry in coco.objects)
    used = {entry.category for entry in coco.objects}
    unused = [name for key, name in coco.categories.items() if key not in used]
    if unused and used:
        labels.notes.append(f"classes without any object: {', '.join(unused)}")
    if unseen:
        labels.notes.append(f"{unseen} objects have no visible keypoint and give no click")
    crowds = len(coco.annotations) - len(coco.objects)
    if crowds and labels.masked:
        labels.notes.append(f"{crowds} crowd regions are left out")


def _add_object(
    entry: CocoObject, coco: CocoLabels, path: Path, labels: Labels, options: ReadOptions
) -> bool:
    """Add an object; False: none of its keypoints is visible, so that it gives a tag only."""
    image, name = coco.images[entry.image], coco.categories[entry.category]
    place = Place(image["file_name"], path, where=entry.name)
    mask = None
    if options.objects_as != "tags":
        size = labels.sizes.get((path, image["file_name"]), (None, None))
        mask = _mask(entry.entry.get("segmentation"), size)
    if isinstance(mask, str):
        labels.report(f"{entry.name}: {mask}", path)
        return True
    is_unseen = coco.clicked and entry.click is None and points_of(entry.entry) is not None
    if is_unseen and (mask is None or options.objects_as != "masks"):
        labels.add(image["file_name"], (name,), None, path, is_object=True)
        return False
    add_object(labels, options, place, name, point=entry.click, mask=mask)
    return True


def _mask(segmentation: Any, stated: StatedSize) -> Shape | str | None:
    """A mask; what is wrong with it; None: there is none."""
    if segmentation in (None, [], "", {}):
        return None
    if isinstance(segmentation, list):
        rings = [parse_flat_ring(polygon) for polygon in segmentation]
        found = [ring for ring in rings if ring is not None]
        if len(found) < len(rings):
            return "its segmentation is not polygons x, y, x, y, ... of 3 or more points"
        return Outline.of_rings(found)
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int for n in size):
        return "its segmentation is neither polygons nor a run-length code with a size"
    height, width = stated[0] or size[0], stated[1] or size[1]
    if not 0 < size[0] * size[1] <= MAX_PIXELS or min(size) < 1:
        return f"its segmentation has the size {size}"
    if mistake := rle_mistake(segmentation, (height, width)):
        return f"its {mistake}"
    return Coded(segmentation_rle(segmentation, *size))
