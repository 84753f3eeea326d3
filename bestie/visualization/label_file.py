"""Label files for drawing: the annotations of chosen images from a COCO JSON.

Reads a COCO JSON (ground truth, exported pseudo labels) or a list of COCO results (as Detectron2's
evaluator writes it), and returns the annotations of each of the given dataset dicts, with
foreground class ids.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bestie import formats

__all__ = ["LabelFile", "read_label_file"]


@dataclass(frozen=True)
class LabelFile:
    """Annotations by image.

    Attributes:
        annotations: key of the image (see :meth:`of`) -> dicts with ``segmentation`` (RLE or
            polygons), ``class_id`` in [0, C) and ``score`` (float, or None where the file has no
            scores).
        by_name: the keys are file name stems, not image ids.
    """

    annotations: Mapping[Any, list[dict[str, Any]]]
    by_name: bool

    def of(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Annotations of the image of a dataset dict; empty if the file has none."""
        return self.annotations.get(_key(record, self.by_name), [])


def read_label_file(
    path: str | Path,
    records: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    category_to_class: Mapping[int, int] | None = None,
) -> LabelFile:
    """Read the annotations of the images of ``records`` from a json file.

    A full COCO JSON is matched by the stems of its file names and the names of its categories, a
    list of results by image ids and ``category_to_class``. Crowd regions are left out.

    Raises:
        DataError: missing or malformed file, a category that is not a class, or no chosen image in
            the file.
    """
    content = formats.read_coco_or_results(path)
    is_coco = isinstance(content, dict)
    to_class: Mapping[int, int]
    keys: dict[Any, Any]
    if isinstance(content, dict):
        to_class = _classes_by_name(path, content["categories"], class_names)
        names = {_key(record, by_name=True) for record in records}
        stems = {image["id"]: Path(image["file_name"]).stem for image in content["images"]}
        keys = {image_id: stem for image_id, stem in stems.items() if stem in names}
        rows = content["annotations"]
    else:
        to_class = category_to_class or {k + 1: k for k in range(len(class_names))}
        ids = {record["image_id"] for record in records}
        keys = {row["image_id"]: row["image_id"] for row in content if row["image_id"] in ids}
        rows = content
    if not keys and (is_coco or rows):  # results of a model that found nothing are an empty list
        raise formats.DataError(
            f"holds none of the {len(records)} chosen images; is it of another data set or split?",
            path,
        )
    annotations = defaultdict(list)
    for row in rows:
        if row["image_id"] not in keys or row.get("iscrowd", 0):
            continue
        if row["category_id"] not in to_class:
            raise formats.DataError(
                f"has the category id {row['category_id']}; known are {sorted(to_class)}", path
            )
        annotations[keys[row["image_id"]]].append(
            {
                "segmentation": row["segmentation"],
                "class_id": to_class[row["category_id"]],
                "score": row.get("score"),
            }
        )
    return LabelFile(dict(annotations), by_name=is_coco)


def _key(record: Mapping[str, Any], by_name: bool) -> Any:
    return Path(record["file_name"]).stem if by_name else record["image_id"]


def _classes_by_name(
    path: str | Path, categories: Sequence[Mapping[str, Any]], class_names: Sequence[str]
) -> dict[int, int]:
    number = {name: class_id for class_id, name in enumerate(class_names)}
    unknown = [category["name"] for category in categories if category["name"] not in number]
    if unknown:
        raise formats.DataError(
            f"has categories that the data set does not have: {', '.join(unknown[:5])}; "
            f"its classes are {', '.join(list(class_names)[:10])}",
            path,
        )
    return {category["id"]: number[category["name"]] for category in categories}
