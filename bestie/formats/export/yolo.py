"""YOLO segmentation: ``data.yaml``, ``images/``, and a text file per image in ``labels/``.

A line of it is ``class x y x y ...``, one polygon per object, x and y as shares of the image. An
image without objects has an empty file. Folders of image names are kept under both folders.
"""

from pathlib import PurePosixPath

import yaml

from bestie.formats.base import DataError
from bestie.formats.export.base import LabelSet, Package, points_of, require_unique_stems
from bestie.progress import track

__all__ = ["write_yolo"]


def write_yolo(labels: LabelSet, package: Package) -> None:
    """Fill a package.

    Raises:
        DataError: images that would share a text file, or whose labels a training would not find.
    """
    require_unique_stems(labels.images, "file of labels (labels/NAME.txt)")
    # A training needs both entries; which images are for validation is for its user to decide.
    content = {"train": "images", "val": "images", "names": dict(enumerate(labels.class_names))}
    package.write_text("data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    _refuse_folders_named_images(labels)
    for image in track(labels.images, "images"):
        height, width = image.size
        lines = []
        for item in image.objects:
            polygon = package.one_polygon(item)
            if polygon is not None:
                shares = (f"{x / width:.7f} {y / height:.7f}" for x, y in points_of(polygon))
                lines.append(" ".join([str(item.class_id), *shares]) + "\n")
        package.put_photo(image, f"images/{image.name}")
        stem = PurePosixPath(image.name).with_suffix(".txt")
        package.write_text(f"labels/{stem}", "".join(lines))


def _refuse_folders_named_images(labels: LabelSet) -> None:
    """A training finds labels by replacing the last ``/images/`` of a path by ``/labels/``.

    Raises:
        DataError: an image whose name has such a folder; it would count as one without objects.
    """
    for image in labels.images:
        if "images" in PurePosixPath(image.name).parts[:-1]:
            raise DataError(
                f"'{image.name}' lies in a folder named images, where YOLO would not find its "
                "labels; rename the folder, or export to another format"
            )
