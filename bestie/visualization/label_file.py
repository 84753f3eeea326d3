"""Label files for drawing: the annotations of chosen images from a COCO JSON.

Reads a COCO JSON (ground truth, exported pseudo labels) or a list of COCO results (as Detectron2's
evaluator writes it), and returns the annotations of each of the given dataset dicts, with
foreground class ids.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bestie import formats

__all__ = ["LabelFile", "labelled_records", "read_label_file"]


@dataclass(frozen=True)
class LabelFile:
    """Annotations by image.

    Attributes:
        annotations: key of the image (see :meth:`of`) -> dicts with ``segmentation`` (RLE or
            polygons), ``class_id`` in [0, C) and ``score`` (float, or None where the file has no
            scores).
        by_name: the keys are files of images, not image ids.
        images: the keys of the chosen images that the file lists, with or without annotations;
            None: a list of results, where an image without any has no entry.
    """

    annotations: Mapping[Any, list[dict[str, Any]]]
    by_name: bool
    images: frozenset[Any] | None = None

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether the file says what is in the image of a dataset dict, be it nothing."""
        return self.images is None or record["file_name"] in self.images

    def of(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Annotations of the image of a dataset dict; empty if the file has none."""
        return self.annotations.get(record["file_name" if self.by_name else "image_id"], [])


def read_label_file(
    path: str | Path,
    records: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    category_to_class: Mapping[int, int] | None = None,
    all_records: Sequence[Mapping[str, Any]] | None = None,
) -> LabelFile:
    """Read the annotations of the images of ``records`` from a json file.

    A full COCO JSON is matched by its file names, whatever their suffixes, and the names of its
    categories, a list of results by image ids and ``category_to_class``. A file name with folders
    is that of an image whose path ends so. Crowd regions are left out.

    Args:
        path: the json file.
        records: dataset dicts of the chosen images.
        class_names: C names.
        category_to_class: category ids of a list of results -> classes; id = class + 1, if omitted.
        all_records: those of the whole data set: a name without folders that stands for a chosen
            image and for another one is a mistake. ``records``, if omitted.

    Raises:
        DataError: missing or malformed file, a category that is not a class, a file name that
            stands for several images, or no chosen image in the file.
    """
    content = formats.read_coco_or_results(path)
    is_coco, whole = isinstance(content, dict), all_records or records
    to_class: Mapping[int, int]
    keys: dict[Any, Any]
    if isinstance(content, dict):
        to_class = _classes_by_name(path, content["categories"], class_names)
        keys = _files_of(path, content["images"], records, whole)
        rows = content["annotations"]
    else:
        to_class = category_to_class or {k + 1: k for k in range(len(class_names))}
        ids = {record["image_id"] for record in whole}
        keys = {row["image_id"]: row["image_id"] for row in content if row["image_id"] in ids}
        rows = content
    # Results of a model that found nothing are an empty list.
    is_other = not _listed(content, whole) if isinstance(content, dict) else bool(rows)
    if not keys and is_other:
        raise formats.DataError(
            f"holds none of the {len(whole)} images; is it of another data set, "
            "or do its file names have other folders?",
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
    images = frozenset(keys.values()) if is_coco else None
    return LabelFile(dict(annotations), is_coco, images)


def labelled_records(
    records: Sequence[dict[str, Any]], paths: Iterable[str | Path]
) -> list[dict[str, Any]]:
    """The records that all label files list; all records where the files have none in common.

    A list of results lists every image.
    """
    chosen = list(records)
    for path in paths:
        content = formats.read_coco_or_results(path)
        if isinstance(content, dict):
            chosen = _listed(content, chosen)
    return chosen or list(records)


def _listed(coco: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The records whose files a COCO JSON seems to list: one of its names ends their paths."""
    names = {_parts(image["file_name"]) for image in coco["images"]}
    lengths = sorted({len(name) for name in names})
    return [
        record
        for record in records
        if any(_parts(record["file_name"])[-length:] in names for length in lengths)
    ]


def _files_of(
    path: str | Path,
    images: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    all_records: Sequence[Mapping[str, Any]],
) -> dict[Any, str]:
    """Image id of a COCO JSON -> file of the record that it is; other images are left out.

    A record is the image whose name agrees with most of its folders: of the names "a" and "d1/a",
    the second is that of photos/d1/a.png.
    """
    parts_of = {record["file_name"]: _parts(record["file_name"]) for record in all_records}
    chosen = {record["file_name"] for record in records}
    files_of_stem = defaultdict(list)
    for file, parts in parts_of.items():
        files_of_stem[parts[-1:]].append(file)
    # Per image of the json: file that ends with its name -> folders in front of the name.
    matches: list[dict[str, tuple[str, ...]]] = []
    shortest: dict[str, tuple[str, ...]] = {}
    for image in images:
        name = _parts(image["file_name"])
        files = [f for f in files_of_stem[name[-1:]] if parts_of[f][-len(name) :] == name]
        matches.append({file: parts_of[file][: -len(name)] for file in files})
        for file, front in matches[-1].items():
            shortest[file] = min(shortest.get(file, front), front, key=len)
    found: dict[Any, str] = {}
    taken: set[str] = set()
    for image, fronts in zip(images, matches, strict=True):
        own = [file for file, front in fronts.items() if front == shortest[file]]
        if chosen.isdisjoint(own):
            continue
        # The names of a json start at one folder: "a" beside "d1/a" cannot be d2/a.
        is_other = any(fronts[file] != shortest[other] for file in own for other in fronts)
        if len(own) > 1 or is_other or taken.intersection(own):
            raise formats.DataError(
                f"its image '{image['file_name']}' stands for several, or several of its images "
                f"for {own[0]}; file names need the folders that tell the images apart",
                path,
            )
        taken.update(own)
        found.update((image["id"], file) for file in own)
    return found


def _parts(name: str) -> tuple[str, ...]:
    """Folders and stem of a file."""
    return PurePosixPath(name.replace("\\", "/")).with_suffix("").parts


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
