"""Turn the official MS COCO 2017 download into a folder-contract root.

Reads the folder with ``train2017/``, ``val2017/`` and ``annotations/instances_*2017.json`` and
writes a new folder with links to the images (nothing is copied), class names, splits, tags, clicks
and ground truth with categories 1..80 (COCO's own ids, 1..90, are kept as ``coco_id``).

    bestie prepare-coco --coco $DETECTRON2_DATASETS/coco \\
        --output $DETECTRON2_DATASETS/coco2017_wsis

Existing clicks are kept, so an interrupted run is resumed. Crowd regions have
no click and give no tag. Training images without any object are left out of the split.
"""

import argparse
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from bestie import formats
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS, require_files
from bestie.formats.instances import make_clicks, mask_click
from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.coco import parse_coco
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
    args = parser.parse_args(argv)
    report = prepare_coco(args.coco, args.output, args.splits, overwrite=args.overwrite)
    for split, numbers in report.items():
        print(f"{split}: " + ", ".join(f"{number} {what}" for what, number in numbers.items()))


def prepare_coco(
    source: Path, output: Path, splits: list[str] | None = None, overwrite: bool = False
) -> dict[str, dict[str, int]]:
    """Make a folder-contract root of an official COCO download.

    Args:
        source: with ``<split>/`` and ``annotations/instances_<split>.json``; it stays as it is.
        output: root to make or to add to.
        splits: keys of :data:`SPLITS`; all, if omitted.
        overwrite: make existing tags, clicks and json files again.

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
    return {split: _prepare_split(source, output, split, overwrite) for split in splits}


def _prepare_split(source: Path, output: Path, split: str, overwrite: bool) -> dict[str, int]:
    path = Path(DatasetFolder(source).ground_truth_json(split))
    coco, labels = formats.read_coco(path), Labels()
    # The reader of all COCO labels: what it refuses as ids and names is refused here, too.
    found = parse_coco(coco, path, labels, ReadOptions(), masks=True)
    given = {item.entry["id"]: item.click for item in found.objects if item.click is not None}
    _check_stems(coco["images"], path, labels)
    if labels.problems:
        raise formats.join_errors(labels.problems)
    coco = _select(coco, drop_empty=SPLITS[split])
    names = [image["file_name"] for image in coco["images"]]
    advice = f"Download {IMAGES_URL.format(split=split)} and unpack it there"
    require_files(source, (f"{split}/{name}" for name in names), advice)
    class_names = renumber_categories(coco)
    DatasetFolder(output).write_class_names(class_names)
    for name in names:
        _link(source / split / name, Path(DatasetFolder(output).image_folder, name))

    objects = defaultdict(list)
    for annotation in coco["annotations"]:
        if not annotation.get("iscrowd", 0):
            objects[annotation["image_id"]].append(annotation)
    tags = {}
    for image in track(coco["images"], f"clicks {split}"):
        stem = Path(image["file_name"]).stem
        annotations = objects[image["id"]]
        tags[stem] = sorted({annotation["category_id"] - 1 for annotation in annotations})
        path = Path(DatasetFolder(output).points_file(stem, CLICKS))
        if overwrite or not path.is_file():
            formats.write_points(path, _clicks(image, annotations, given))
    DatasetFolder(output).add_tags(tags, overwrite)
    json_path = Path(DatasetFolder(output).ground_truth_json(split))
    if overwrite or not json_path.is_file():
        formats.write_coco(json_path, coco)
    DatasetFolder(output).write_split(split, (Path(name).stem for name in names))
    return {"images": len(names), "instances": sum(map(len, objects.values()))}


def _select(coco: dict[str, Any], drop_empty: bool) -> dict[str, Any]:
    """Sort the images by name and, if asked, keep only those with an object that is not a crowd."""
    images = sorted(coco["images"], key=lambda image: image["file_name"])
    if drop_empty:
        full = {a["image_id"] for a in coco["annotations"] if not a.get("iscrowd", 0)}
        images = [image for image in images if image["id"] in full]
    ids = {image["id"] for image in images}
    annotations = [entry for entry in coco["annotations"] if entry["image_id"] in ids]
    return {**coco, "images": images, "annotations": annotations}


def renumber_categories(coco: dict[str, Any]) -> list[str]:
    """Number the categories 1..C in the order of their ids, in place; ``coco_id`` keeps the old id.

    Returns:
        The C names in that order.
    """
    categories = sorted(coco["categories"], key=lambda category: category["id"])
    number = {category["id"]: i for i, category in enumerate(categories, 1)}
    coco["categories"] = [
        {**category, "id": number[category["id"]], "coco_id": category["id"]}
        for category in categories
    ]
    for annotation in coco["annotations"]:
        annotation["category_id"] = number[annotation["category_id"]]
    return [category["name"] for category in categories]


def _link(image: Path, link: Path) -> None:
    """Make ``link`` point to an image, by a relative path: both folders can move together."""
    if link.is_symlink() and link.resolve() == image.resolve():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(image.resolve(), link.parent.resolve()))


def _check_stems(images: list[dict[str, Any]], path: Path, labels: Labels) -> None:
    """Report images that would share the files of their clicks."""
    first: dict[str, str] = {}
    for image in images:
        name = image["file_name"]
        other = first.setdefault(Path(name).stem, name)
        if other != name:
            message = f"images '{other}' and '{name}' have the same name but for folder and suffix"
            labels.report(f"{message}; bestie import keeps such images apart", path)


def _clicks(
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    given: dict[int, tuple[float, float]],
) -> formats.Points:
    """A click per annotation: that of the json (``given``: id -> (x, y)), or one in its mask."""
    yx: list[tuple[float, float]] = []
    for annotation in annotations:
        if annotation["id"] in given:
            x, y = given[annotation["id"]]
            yx.append((y, x))
            continue
        mask = formats.decode_mask(annotation["segmentation"], image["height"], image["width"])
        yx.append(mask_click(mask) if mask.any() else _box_middle(annotation, image))
    classes = [annotation["category_id"] - 1 for annotation in annotations]
    return make_clicks(yx, classes)


def _box_middle(annotation: dict[str, Any], image: dict[str, Any]) -> tuple[int, int]:
    """Where a few slivers of COCO are clicked, whose polygons cover no pixel."""
    x, y, width, height = annotation["bbox"]
    y, x = int(y + height / 2), int(x + width / 2)
    return min(max(y, 0), image["height"] - 1), min(max(x, 0), image["width"] - 1)
