"""Turn the official MS COCO 2017 download into a folder-contract root.

Reads the folder with ``train2017/``, ``val2017/`` and ``annotations/instances_*2017.json`` and
writes a new folder with links to the images (nothing is copied), class names, splits, tags, clicks
and ground truth with categories 1..80 (COCO's own ids, 1..90, are kept as ``coco_id``).

    bestie prepare-coco --coco $DETECTRON2_DATASETS/coco \\
        --output $DETECTRON2_DATASETS/coco2017_wsis

Existing clicks are kept, so an interrupted run is resumed. Crowd regions have
no click and give no tag. Training images without any object are left out of the split.

An image is named as ``bestie import`` names it: its path without suffix, numbered where that is
taken, so that ``d1/a.jpg``, ``d2/a.jpg`` and ``d2/a.png`` become ``d1_a``, ``d2_a`` and ``d2_a_2``.
A point of the json is the click of its object (see ``bestie.formats.labels.coco``); an object
without one is clicked inside its mask.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bestie import formats
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS, make_ids, require_files
from bestie.formats.images import IMAGE_SUFFIXES
from bestie.formats.instances import make_clicks, mask_click
from bestie.formats.labels.base import Labels, ReadOptions, read_json
from bestie.formats.labels.coco import CocoId, CocoLabels, CocoObject, parse_coco, points_of
from bestie.progress import track

__all__ = ["SPLITS", "main", "prepare_coco"]

# Split -> whether its images without objects are left out (nothing can be learnt from them).
SPLITS = {"train2017": True, "val2017": False}
ANNOTATIONS_URL = "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"
IMAGES_URL = "http://images.cocodataset.org/zips/{split}.zip"


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, prepare the data and print what there is now."""
    datasets = Path(os.getenv("DETECTRON2_DATASETS", "datasets"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--coco", type=Path, default=datasets / "coco", help="official download")
    parser.add_argument("--output", type=Path, default=datasets / "coco2017_wsis")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--overwrite", action="store_true", help="make existing files again")
    parser.add_argument(
        "--keypoints",
        metavar="WHICH",
        help="click of an object with several visible keypoints: first, mean, or the name of one",
    )
    args = parser.parse_args(argv)
    report = prepare_coco(args.coco, args.output, args.splits, args.overwrite, args.keypoints)
    for split, numbers in report.items():
        print(f"{split}: " + ", ".join(f"{number} {what}" for what, number in numbers.items()))


def prepare_coco(
    source: Path,
    output: Path,
    splits: list[str] | None = None,
    overwrite: bool = False,
    keypoints: str | None = None,
) -> dict[str, dict[str, int]]:
    """Make a folder-contract root of an official COCO download.

    Args:
        source: with ``<split>/`` and ``annotations/instances_<split>.json``; it stays as it is.
        output: root to make or to add to.
        splits: keys of :data:`SPLITS`; all, if omitted.
        overwrite: make existing tags, clicks and json files again.
        keypoints: as :attr:`ReadOptions.keypoints`.

    Returns:
        Split -> numbers of images and instances.

    Raises:
        formats.DataError: the download is broken or incomplete (names everything missing).
    """
    splits = list(SPLITS) if splits is None else splits
    if source.resolve() == output.resolve():
        raise formats.DataError("--output must be another folder than the official one", output)
    names = [f"annotations/instances_{split}.json" for split in splits]
    advice = f"Download {ANNOTATIONS_URL} and unpack it there"
    require_files(source, names, advice)
    # Masks are what every object has: one without a visible keypoint has no click, no mistake.
    options = ReadOptions(keypoints=keypoints, objects_as="masks")
    return {split: _prepare_split(source, output, split, overwrite, options) for split in splits}


def _prepare_split(
    source: Path, output: Path, split: str, overwrite: bool, options: ReadOptions
) -> dict[str, int]:
    path, folder = Path(DatasetFolder(source).ground_truth_json(split)), DatasetFolder(output)
    keep_empty = not SPLITS[split]
    rest, found, files = _read(path, options)
    key_of = {Path(file): key for key, file in files.items()}
    ids = {key_of[file]: name for name, file in make_ids(sorted(key_of), Path()).items()}
    objects = defaultdict(list)
    for item in found.objects:
        objects[item.image].append(item)
    shown = [key for key in sorted(files, key=files.__getitem__) if objects[key] or keep_empty]
    links = {key: ids[key] + _suffix(files[key]) for key in shown}
    coco = rest | _content(found, links)
    if mistakes := formats.check_coco_dict(coco):
        raise formats.join_errors([formats.DataError(mistake, path) for mistake in mistakes])
    advice = f"Download {IMAGES_URL.format(split=split)} and unpack it there"
    require_files(source, (f"{split}/{files[key]}" for key in shown), advice)
    photos = {ids[key]: source / split / files[key] for key in shown}
    _check_other_splits(output, split, photos)
    folder.write_class_names(list(found.categories.values()))
    for key in shown:
        _link(photos[ids[key]], Path(folder.image_folder, links[key]))

    class_of = {key: index for index, key in enumerate(found.categories)}
    tags = {}
    for key in track(shown, f"clicks {split}"):
        tags[ids[key]] = sorted({class_of[item.category] for item in objects[key]})
        points_file = Path(folder.points_file(ids[key], CLICKS))
        if overwrite or not points_file.is_file():
            formats.write_points(points_file, _clicks(found.images[key], objects[key], class_of))
    folder.add_tags(tags, overwrite)
    json_path = Path(folder.ground_truth_json(split))
    if overwrite or not json_path.is_file():
        formats.write_coco(json_path, coco)
    folder.write_split(split, (ids[key] for key in shown))
    return {"images": len(shown), "instances": sum(len(objects[key]) for key in shown)}


def _read(path: Path, options: ReadOptions) -> tuple[dict[str, Any], CocoLabels, dict[CocoId, str]]:
    """Read a json.

    Returns:
        What it holds besides its tables ("info", ...); its labels; id -> path of each image inside
        the folder of its split.

    Raises:
        formats.DataError: all mistakes of the json.
    """
    labels, found = Labels(), CocoLabels()
    content = read_json(path, labels)
    if content is not None:
        found = parse_coco(content, path, labels, options, masks=True)
    files = {}
    for key, image in found.images.items() if not labels.problems else ():
        name = image["file_name"].replace("\\", "/")
        # Links are made inside the output: a path that leaves it could replace a photo by a link.
        if PureWindowsPath(name).anchor or ".." in PurePosixPath(name).parts:
            labels.report(f"image file_name '{name}' is not a path inside its folder", path)
        files[key] = str(PurePosixPath(name))
    for item in found.objects if not labels.problems else ():
        _check_click(item, found.images[item.image], path, labels)
    if labels.problems:
        raise formats.join_errors(labels.problems)
    tables = ("images", "annotations", "categories")
    return {key: content[key] for key in content if key not in tables}, found, files


def _check_click(item: CocoObject, image: Mapping[str, Any], path: Path, labels: Labels) -> None:
    """Report a point outside its image."""
    sides = image.get("width"), image.get("height")
    for value, side in zip(item.click or (), sides, strict=False):
        if isinstance(side, int) and not 0 <= value < side:
            where = "x {:g}, y {:g}".format(*(item.click or ()))
            size = f"{sides[0]} x {sides[1]} (width x height)"
            labels.report(
                f"{item.name}: {where} lies outside '{image['file_name']}' of {size}", path
            )
            return


def _check_other_splits(output: Path, split: str, photos: Mapping[str, Path]) -> None:
    """Raise a DataError if images have the names of other images, of another split of the root."""
    key_of = {name.lower(): name for name in photos}  # some file systems ignore case
    for other in formats.list_splits(output):
        for name in formats.read_split(output, other) if other != split else ():
            photo = photos.get(key_of.get(name.lower(), ""))
            known = photo and formats.find_image(output, name)
            if photo and known and Path(known).resolve() != photo.resolve():
                message = f"'{Path(known).resolve()}' of {other} and '{photo}' of {split}"
                advice = "rename one of them, or prepare the splits in two folders"
                raise formats.DataError(f"{message} both get the name '{name}'; {advice}", output)


def _suffix(file: str) -> str:
    """Suffix of the link to an image; readers look for known ones only."""
    suffix = PurePosixPath(file).suffix
    return suffix if suffix in IMAGE_SUFFIXES else ".jpg"


def _content(found: CocoLabels, links: Mapping[CocoId, str]) -> dict[str, Any]:
    """The COCO json of the images of ``links``: their files' names, integers as ids.

    Categories are numbered 1..C in the order of their ids; ``coco_id`` keeps the old id. Ids of
    images and annotations stay, unless some are not integers: pycocotools wants integers.
    """
    category_of = {key: number for number, key in enumerate(found.categories, 1)}
    numbered = all(isinstance(key, int) for key in found.images)
    image_of = {key: key if numbered else number for number, key in enumerate(found.images, 1)}
    given = [entry.get("id") for *_, entry in found.annotations]
    kept = all(type(key) is int for key in given) and len(set(given)) == len(given)
    annotations = [
        entry
        | {
            "id": entry["id"] if kept else number,
            "image_id": image_of[image],
            "category_id": category_of[category],
            "iscrowd": int(entry.get("iscrowd") or 0),
        }
        for number, (image, category, entry) in enumerate(found.annotations, 1)
        if image in links
    ]
    images = [
        found.images[key] | {"id": image_of[key], "file_name": name} for key, name in links.items()
    ]
    categories = [
        found.category_entries[key] | {"id": number, "name": name, "coco_id": key}
        for number, (key, name) in enumerate(found.categories.items(), 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _link(image: Path, link: Path) -> None:
    """Make ``link`` point to an image, by a relative path: both folders can move together."""
    if link.is_symlink() and link.resolve() == image.resolve():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(image.resolve(), link.parent.resolve()))


def _clicks(
    image: dict[str, Any], objects: Iterable[CocoObject], class_of: Mapping[CocoId, int]
) -> formats.Points:
    """A click per object: its point, or one in its mask; none if its keypoints are not visible."""
    yx: list[tuple[float, float]] = []
    classes = []
    for item in objects:
        if item.click is not None:
            yx.append((item.click[1], item.click[0]))
        elif points_of(item.entry) is not None:
            continue
        else:
            mask = formats.decode_mask(item.entry["segmentation"], image["height"], image["width"])
            yx.append(mask_click(mask) if mask.any() else _box_middle(item.entry, image))
        classes.append(class_of[item.category])
    return make_clicks(yx, classes)


def _box_middle(annotation: dict[str, Any], image: dict[str, Any]) -> tuple[int, int]:
    """Where a few slivers of COCO are clicked, whose polygons cover no pixel."""
    x, y, width, height = annotation["bbox"]
    y, x = int(y + height / 2), int(x + width / 2)
    return min(max(y, 0), image["height"] - 1), min(max(x, 0), image["width"] - 1)
