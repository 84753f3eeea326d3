"""From a COCO json and its images to a folder-contract root that the stages work on.

The root gets links to the images, tags from the categories of the annotations, clicks if these are
the supervision, and the true instances where all annotations have masks (used for evaluation only).
Called by the pipeline before it looks at its data.

``bestie.formats.labels.coco`` reads the json and says what a click is; a ledger beside the clicks
says how many of them are points and how many are middles of boxes.
"""

import contextlib
import itertools
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bestie.data.registration import POINT_FOLDERS, ground_truth_json, parse_name
from bestie.formats import (
    DataError,
    DatasetFolder,
    atomic_write,
    hash_file,
    join_errors,
    read_class_names,
    read_image_labels,
    read_image_size,
    read_split,
    write_coco,
    write_points,
)
from bestie.formats.images import IMAGE_SUFFIXES
from bestie.formats.instances import make_clicks
from bestie.formats.labels.base import Labels, ReadOptions, read_json, size_mistake
from bestie.formats.labels.coco import CocoId, CocoLabels, parse_coco
from bestie.formats.ledger import write_ledger_entry
from bestie.formats.supervision import LabelKind

__all__ = ["RECORD", "convert_coco", "empty_images_note"]

# What a root was made from; it is made again if that changes.
RECORD = "source.json"
KEYPOINTS = "one point per object (keypoints of the annotations)"
BOXES = "boxes (their middles stand in for clicks)"
KINDS = {KEYPOINTS: LabelKind.CLICKS, BOXES: LabelKind.BOXES}


def convert_coco(
    names: dict[str, str], root: Path, *, clicks: bool, options: ReadOptions | None = None
) -> None:
    """Make the root, unless it exists and was made from the same files.

    Args:
        names: split -> "coco:JSON:IMAGE_DIR"; the first one's categories are the classes.
        root: folder to make or to replace.
        clicks: write clicks, too.
        options: which points and boxes are clicks.

    Raises:
        DataError: a json that is missing or broken, or jsons of different categories.
    """
    options = options or ReadOptions()
    sources = {split: parse_name(name)[1:] for split, name in names.items()}
    record: dict[str, Any] = {"clicks": clicks, "options": asdict(options)}
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
    _write_root(build, sources, clicks, options)
    with atomic_write(build / RECORD) as file:
        json.dump(record, file)
    shutil.rmtree(root, ignore_errors=True)
    build.rename(root)


def empty_images_note(root: Path, split: str, name: str) -> list[str]:
    """A note on the images of a converted split without any object, if there are some."""
    tags = read_image_labels(root, read_class_names(root))
    ids = read_split(root, split)
    count = sum(not tags[image_id] for image_id in ids)
    if not count:
        return []
    found = f"{count} of {len(ids)} images have no object in {parse_name(name)[1]}"
    advice = "if they are not labelled yet, remove them from it"
    return [f"{found}; they count as images without objects ({advice})"]


def _read_record(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_root(
    root: Path, sources: dict[str, tuple[str, str]], clicks: bool, options: ReadOptions
) -> None:
    folder = DatasetFolder(root)
    taken: set[str] = set()
    tag_lines: list[str] = []
    classes: list[str] = []
    for split, (json_file, image_dir) in sources.items():
        # Clicks are needed where a model is trained, in the first split; others may have some.
        wanted = (None if classes else True) if clicks else False
        coco = _read(Path(json_file), image_dir, options, clicks=wanted)
        names = list(coco.categories.values())
        if classes and names != classes:
            raise DataError(f"has the categories {names}, the training json {classes}", json_file)
        classes = names
        class_of = {key: index for index, key in enumerate(coco.categories)}
        ids = _link_images(root, coco, image_dir, split, taken)
        folder.write_split(split, ids.values())
        tags: dict[CocoId, set[int]] = {key: set() for key in ids}
        for entry in coco.objects:
            tags[entry.image].add(class_of[entry.category])
        for key, image_id in ids.items():
            tag_lines.append(" ".join(map(str, [image_id, *sorted(tags[key])])) + "\n")
        if coco.clicked:
            _write_clicks(root, split, ids, coco, class_of)
        _write_truth(root, split, coco, ids, class_of, (json_file, image_dir))
    folder.write_class_names(classes)
    with atomic_write(folder.tags_file) as file:
        file.writelines(tag_lines)


def _read(path: Path, image_dir: str, options: ReadOptions, *, clicks: bool | None) -> CocoLabels:
    """A COCO json that need not have masks.

    Raises:
        DataError: broken json, labels that cannot be read in one way only, or images of other
            sizes than the json states.
    """
    labels = Labels()
    content = read_json(path, labels)
    coco = CocoLabels()
    if content is not None:
        coco = parse_coco(content, path, labels, options, clicks=clicks)
    if not labels.problems:
        _check_sizes(coco, path, image_dir, labels)
    if len(labels.problems) > 1:
        raise join_errors(labels.problems)
    if labels.problems:
        raise labels.problems[0]
    return coco


def _check_sizes(coco: CocoLabels, path: Path, image_dir: str, labels: Labels) -> None:
    """Report images of another size than the one that they were labelled at.

    The check of the data names images that are missing or broken.
    """
    for image in coco.images.values():
        name = image["file_name"]
        with contextlib.suppress(DataError):
            size = read_image_size(_image_path(image, image_dir))
            stated = labels.sizes.get((path, name), (None, None))
            if mistake := size_mistake(name, size, stated):
                labels.report(mistake, path)


def _image_path(image: dict[str, Any], image_dir: str) -> Path:
    return Path(image_dir, image["file_name"].replace("\\", "/")).absolute()


def _link_images(
    root: Path, coco: CocoLabels, image_dir: str, split: str, taken: set[str]
) -> dict[CocoId, str]:
    """Link the images into the root; id in the json -> id in the root.

    Images of one name, in several folders or splits, get ids of their own.
    """
    folder = Path(DatasetFolder(root).image_folder)
    folder.mkdir(exist_ok=True)
    ids = {}
    for key, image in coco.images.items():
        path = _image_path(image, image_dir)
        name = "_".join(path.stem.split()) or "image"
        ids_of_name = (f"{split}_{key}_{name}_{number}" for number in itertools.count(2))
        firsts = (name, f"{split}_{name}", "_".join(f"{split}_{key}_{name}".split()))
        # Some file systems do not distinguish A from a.
        candidate = next(i for i in itertools.chain(firsts, ids_of_name) if i.lower() not in taken)
        taken.add(candidate.lower())
        ids[key] = candidate
        suffix = path.suffix if path.suffix in IMAGE_SUFFIXES else ".jpg"
        (folder / f"{candidate}{suffix}").symlink_to(path)
    return ids


def _write_clicks(
    root: Path,
    split: str,
    ids: dict[CocoId, str],
    coco: CocoLabels,
    class_of: dict[CocoId, int],
) -> None:
    folder = root / POINT_FOLDERS["clicks"]
    counts = {KEYPOINTS: 0, BOXES: 0}
    clicks: dict[CocoId, list[tuple[tuple[float, float], int]]] = {key: [] for key in ids}
    for entry in coco.objects:
        if entry.click is not None:
            x, y = entry.click
            clicks[entry.image].append(((y, x), class_of[entry.category]))
            counts[BOXES if entry.is_box else KEYPOINTS] += 1
    for key, image_id in ids.items():
        points = make_clicks([yx for yx, _ in clicks[key]], [c for _, c in clicks[key]])
        write_points(folder / f"{image_id}.txt", points)
    consumed = [
        {"kind": KINDS[labels], "labels": labels, "objects": count}
        for labels, count in counts.items()
        if count
    ]
    write_ledger_entry(folder, split, {"stage": "clicks from a COCO json", "consumed": consumed})


def _write_truth(
    root: Path,
    split: str,
    coco: CocoLabels,
    ids: dict[CocoId, str],
    class_of: dict[CocoId, int],
    source: tuple[str, str],
) -> None:
    """Keep the masks of the json, if all annotations have one, for the evaluation.

    Raises:
        DataError: masks that cannot be read; it names the user's json, not the one to be written.
    """
    if not coco.annotations or not all(e.get("segmentation") for _, _, e in coco.annotations):
        return
    # Ids of images may be text; pycocotools wants integers.
    is_numbered = all(isinstance(key, int) for key in ids)
    number = {key: key if is_numbered else index for index, key in enumerate(ids, 1)}
    images = []
    for key, image in coco.images.items():
        suffix = Path(image["file_name"]).suffix
        record = image | {"id": number[key], "file_name": ids[key] + suffix}
        if not all(type(image.get(side)) is int and image[side] for side in ("height", "width")):
            record["height"], record["width"] = read_image_size(_image_path(image, source[1]))
        images.append(record)
    numbers = [entry.get("id") for _, _, entry in coco.annotations]
    keep_ids = all(type(n) is int for n in numbers) and len(set(numbers)) == len(numbers)
    annotations = [
        entry
        | {
            "id": entry["id"] if keep_ids else index,
            "iscrowd": int(entry.get("iscrowd") or 0),
            "image_id": number[image],
            "category_id": class_of[category] + 1,
        }
        for index, (image, category, entry) in enumerate(coco.annotations, 1)
    ]
    categories = [
        coco.category_entries[key] | {"id": class_of[key] + 1, "name": name}
        for key, name in coco.categories.items()
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    try:
        write_coco(ground_truth_json(str(root), split), content)
    except DataError as error:
        raise DataError(error.message, source[0]) from None
