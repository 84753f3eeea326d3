"""LabelMe: each photo with a json of its name beside it.

Every part of an object is a shape of the kind polygon; the parts of one object share a
``group_id``, as LabelMe's own converters understand it. Scores stand in ``description``.
"""

import json
from pathlib import PurePosixPath
from typing import Any

from bestie.formats.base import DataError
from bestie.formats.export.base import (
    LabelledImage,
    LabelSet,
    Package,
    points_of,
    require_unique_stems,
)
from bestie.formats.labels.labelme import OWN_LABELS
from bestie.progress import track

__all__ = ["write_labelme"]

# Of LabelMe, whose files look like this.
VERSION = "5.5.0"


def write_labelme(labels: LabelSet, package: Package) -> None:
    """Fill a package.

    Raises:
        DataError: images that would share a json, or a class that LabelMe keeps for itself.
    """
    if own := set(labels.class_names) & set(OWN_LABELS):
        raise DataError(f"LabelMe keeps the name {sorted(own)[0]} for itself; rename this class")
    require_unique_stems(labels.images, "json of LabelMe")
    for image in track(labels.images, "images"):
        name = PurePosixPath(image.name)
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": _shapes(image, labels.class_names, package),
            "imagePath": name.name,
            "imageData": None,
            "imageHeight": image.size[0],
            "imageWidth": image.size[1],
        }
        package.put_photo(image, image.name)
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
        package.write_text(str(name.with_suffix(".json")), text)


def _shapes(image: LabelledImage, class_names: list[str], package: Package) -> list[dict[str, Any]]:
    shapes = []
    for number, item in enumerate(image.objects, 1):
        polygons = package.polygons(item)
        for polygon in polygons:
            shape: dict[str, Any] = {
                "label": class_names[item.class_id],
                "points": [list(point) for point in points_of(polygon)],
                "group_id": number if len(polygons) > 1 else None,
                "description": "" if item.score is None else f"score {item.score:.2f}",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            shapes.append(shape)
    return shapes
