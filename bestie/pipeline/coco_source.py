"""From a COCO json and its images to a folder-contract root that the stages work on.

Comes in: "coco:JSON:IMAGE_DIR" for training and, if there is one, for evaluation. Goes out: a root
with links to the images, tags from the categories of the annotations, clicks if these are the
supervision, and the true instances where all annotations have masks (used for evaluation only).
Called by the pipeline before it looks at its data.

A click is the first visible keypoint of an annotation, else the middle of its box; a ledger beside
the clicks says how many are which.
"""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bestie.data.registration import POINT_FOLDERS, ground_truth_json, parse_name
from bestie.formats import (
    DataError,
    DatasetFolder,
    Points,
    atomic_write,
    hash_file,
    read_image_size,
    write_coco,
    write_points,
)
from bestie.formats.images import IMAGE_SUFFIXES
from bestie.formats.ledger import write_ledger_entry
from bestie.formats.supervision import LabelKind

__all__ = ["RECORD", "convert_coco"]

# What a root was made from; it is made anew if that changes.
RECORD = "source.json"
KEYPOINTS = "one point per object (keypoints of the annotations)"
BOXES = "boxes (their middles stand in for clicks)"
KINDS = {KEYPOINTS: LabelKind.CLICKS, BOXES: LabelKind.BOXES}


def convert_coco(names: dict[str, str], root: Path, *, clicks: bool) -> None:
    """Make the root, unless it is there and made from the same files.

    Args:
        names: split -> "coco:JSON:IMAGE_DIR"; the first one's categories are the classes.
        root: folder to make, or to make anew.
        clicks: write clicks, too.

    Raises:
        DataError: a json that is missing or broken, or jsons of different categories.
    """
    sources = {split: parse_name(name)[1:] for split, name in names.items()}
    record: dict[str, Any] = {"clicks": clicks}
    for split, (json_file, image_dir) in sources.items():
        if not os.path.isfile(json_file):
            raise DataError("file does not exist", json_file)
        if not os.path.isdir(image_dir):
            raise DataError("folder of the images does not exist", image_dir)
        record[split] = [os.path.abspath(image_dir), hash_file(json_file)]
    if _read_record(root / RECORD) == record:
        return
    build = root.with_name(f".{root.name}.new")
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    _write_root(build, sources, clicks)
    with atomic_write(build / RECORD) as file:
        json.dump(record, file)
    shutil.rmtree(root, ignore_errors=True)
    build.rename(root)


def _read_record(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_root(root: Path, sources: dict[str, tuple[str, str]], clicks: bool) -> None:
    folder = DatasetFolder(root)
    taken: set[str] = set()
    tag_lines: list[str] = []
    classes: list[str] = []
    for split, (json_file, image_dir) in sources.items():
        coco = _read(json_file)
        categories = sorted(coco["categories"], key=lambda category: category["id"])
        names = [category["name"] for category in categories]
        if classes and names != classes:
            raise DataError(f"has the categories {names}, the training json {classes}", json_file)
        classes = names
        class_of = {category["id"]: index for index, category in enumerate(categories)}
        ids = _link_images(root, coco["images"], image_dir, split, taken)
        folder.write_split(split, ids.values())
        objects = _objects_by_image(coco, class_of, json_file)
        for key, image_id in ids.items():
            tags = sorted({class_of[entry["category_id"]] for entry in objects[key]})
            tag_lines.append(" ".join(map(str, [image_id, *tags])) + "\n")
        if clicks:
            _write_clicks(root, split, ids, objects, class_of, json_file)
        _write_truth(root, split, coco, ids, class_of, image_dir)
    folder.write_class_names(classes)
    with atomic_write(folder.tags_file) as file:
        file.writelines(tag_lines)


def _read(path: str) -> dict[str, Any]:
    """A COCO json that need not have masks.

    Raises:
        DataError: broken json, or lists that the tags cannot be taken from.
    """
    try:
        coco = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"is no well-formed json ({error.msg})", path, error.lineno) from None
    except UnicodeDecodeError:
        raise DataError("is no UTF-8 text", path) from None
    needed = {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id"),
        "categories": ("id", "name"),
    }
    for key, fields in needed.items():
        entries = coco.get(key) if isinstance(coco, dict) else None
        if not isinstance(entries, list) or (not entries and key != "annotations"):
            raise DataError(f"'{key}' is no list of objects, or empty", path)
        for number, entry in enumerate(entries, 1):
            lacking = [f for f in fields if not isinstance(entry, dict) or entry.get(f) is None]
            if lacking:
                raise DataError(f"entry {number} of '{key}' has no '{lacking[0]}'", path)
            for name in fields:
                kind = str if name in ("file_name", "name") else int
                if not isinstance(entry[name], kind):
                    accepted = "text" if kind is str else "integer"
                    message = f"entry {number} of '{key}': {name} {entry[name]!r} is no {accepted}"
                    raise DataError(message, path)
    return coco


def _link_images(
    root: Path, images: list[dict], image_dir: str, split: str, taken: set[str]
) -> dict[Any, str]:
    """Link the images into the root; id in the json -> id in the root."""
    folder = Path(DatasetFolder(root).image_folder)
    folder.mkdir(exist_ok=True)
    ids = {}
    for image in images:
        path = Path(image_dir, image["file_name"]).absolute()
        name = "_".join(path.stem.split())
        for candidate in (name, f"{split}_{name}", f"{split}_{image['id']}_{name}"):
            if candidate not in taken:
                break
        taken.add(candidate)
        ids[image["id"]] = candidate
        suffix = path.suffix if path.suffix in IMAGE_SUFFIXES else ".jpg"
        (folder / f"{candidate}{suffix}").symlink_to(path)
    return ids


def _objects_by_image(
    coco: dict[str, Any], class_of: dict[Any, int], path: str
) -> dict[Any, list[dict]]:
    """Annotations that are no crowd, by image."""
    objects: dict[Any, list[dict]] = {image["id"]: [] for image in coco["images"]}
    for number, entry in enumerate(coco["annotations"], 1):
        if entry["image_id"] not in objects:
            message = f"annotation {number}: image_id {entry['image_id']} is not in 'images'"
            raise DataError(message, path)
        if entry["category_id"] not in class_of:
            message = f"annotation {number}: category_id {entry['category_id']} is unknown"
            raise DataError(message, path)
        if not entry.get("iscrowd", 0):
            objects[entry["image_id"]].append(entry)
    return objects


def _write_clicks(
    root: Path,
    split: str,
    ids: dict[Any, str],
    objects: dict[Any, list[dict]],
    class_of: dict[Any, int],
    json_file: str,
) -> None:
    folder = root / POINT_FOLDERS["clicks"]
    counts = {KEYPOINTS: 0, BOXES: 0}
    for key, image_id in ids.items():
        places = []
        for entry in objects[key]:
            kind, yx = _click(entry, json_file)
            counts[kind] += 1
            places.append(yx)
        classes = np.array([class_of[entry["category_id"]] for entry in objects[key]], np.int64)
        yx = np.array(places, float).reshape(-1, 2)
        write_points(folder / f"{image_id}.txt", Points(yx, classes, np.ones(len(yx), np.float32)))
    consumed = [
        {"kind": KINDS[labels], "labels": labels, "objects": count}
        for labels, count in counts.items()
        if count
    ]
    write_ledger_entry(folder, split, {"stage": "clicks from a COCO json", "consumed": consumed})


def _click(entry: dict[str, Any], json_file: str) -> tuple[str, tuple[float, float]]:
    """The kind of a click, and (y, x)."""
    given = entry.get("keypoints")
    keypoints = given if _are_numbers(given) else []
    for x, y, visibility in zip(keypoints[::3], keypoints[1::3], keypoints[2::3], strict=False):
        if visibility > 0:
            return KEYPOINTS, (y, x)
    box = entry.get("bbox")
    if not _are_numbers(box) or len(box) != 4:
        raise DataError(
            f"annotation {entry.get('id', '')} has neither a visible keypoint nor a bbox of four "
            "numbers; --supervision clicks needs one of them",
            json_file,
        )
    x, y, width, height = box
    return BOXES, (y + height / 2, x + width / 2)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(number, int | float) and math.isfinite(number) for number in value
    )


def _write_truth(
    root: Path,
    split: str,
    coco: dict[str, Any],
    ids: dict[Any, str],
    class_of: dict[Any, int],
    image_dir: str,
) -> None:
    """Keep the masks of the json, if all annotations have one, for the evaluation."""
    entries = coco["annotations"]
    if not entries or not all(entry.get("segmentation") for entry in entries):
        return
    images = []
    for image in coco["images"]:
        suffix = Path(image["file_name"]).suffix
        record = image | {"file_name": ids[image["id"]] + suffix}
        if not (image.get("height") and image.get("width")):
            size = read_image_size(os.path.join(image_dir, image["file_name"]))
            record["height"], record["width"] = size
        images.append(record)
    categories = sorted(coco["categories"], key=lambda category: category["id"])
    content = {
        "images": images,
        "annotations": [
            {"id": number, "iscrowd": 0, **entry, "category_id": class_of[entry["category_id"]] + 1}
            for number, entry in enumerate(entries, 1)
        ],
        "categories": [c | {"id": class_of[c["id"]] + 1} for c in categories],
    }
    write_coco(ground_truth_json(root, split), content)
