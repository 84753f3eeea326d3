"""Split a training set of a folder-contract root into images with masks and images with clicks.

Writes ``ImageSets/Segmentation/<split>_s.txt`` (strong: masks train) and ``<split>_w.txt`` (weak:
clicks train), COCO jsons of both where the split has one, and, if asked, clicks made from masks:

    bestie split --root ROOT --split train --percent 10 --seed 0 \\
        --clicks centroid

The images are drawn by a seed and do not depend on the percentage, so that the strong images of 5 %
are among those of 10 %. Clicks are made of masks only to simulate an annotator: "nearest" (the
mask's pixel nearest to its centroid, which can lie outside), "centroid" or "random". They go to
``Center_points``. The json of the weak images has each click, made now or there before, as the
field ``point`` [x, y] of its object. A click that was there before belongs to the object that had
it in the json of an earlier split, or else to one of its class whose mask contains it. The masks in
that json are ground truth, with which labels can be measured; nothing trains on them.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from bestie import formats
from bestie.formats import DatasetFolder, Points
from bestie.formats.dataset_folder import CLICKS as CLICK_FOLDER
from bestie.formats.instances import click_pixels, make_clicks, mask_click, match_clicks
from bestie.formats.true_masks import part_of_coco

__all__ = ["CLICKS", "click_of", "main", "split_ids", "split_labels"]

CLICKS = ("nearest", "centroid", "random")
# Coordinates of one click in files of points and in jsons differ by less than this, pixels.
ROUNDING = 1e-4
# Image id -> pairs of an annotation's id and its click (y, x).
Clicks = dict[str, list[tuple[int, tuple[float, float]]]]


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, split, and print what was written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="folder-contract root")
    parser.add_argument("--split", default="train", help="split to divide (%(default)s)")
    parser.add_argument("--percent", type=float, required=True, help="share of strong images, %%")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (%(default)s)")
    parser.add_argument(
        "--clicks",
        choices=CLICKS,
        help="also make clicks of the weak images from their masks, in Center_points",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace splits and clicks")
    args = parser.parse_args(argv)
    numbers = split_labels(
        args.root,
        args.split,
        args.percent,
        seed=args.seed,
        clicks=args.clicks,
        overwrite=args.overwrite,
    )
    print(", ".join(f"{number} {what}" for what, number in numbers.items()))


def split_labels(
    root: Path,
    split: str,
    percent: float,
    *,
    seed: int = 0,
    clicks: str | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write the splits ``<split>_s`` and ``<split>_w``, their jsons, and clicks if asked.

    Args:
        root: folder-contract root.
        split: existing split.
        percent: share of strong images, between 0 and 100; at least one image of each kind.
        seed: of the draw.
        clicks: one of CLICKS, or None to leave the clicks as they are.
        overwrite: replace existing splits and clicks.

    Returns:
        Numbers of strong images, weak images and clicks made; where a json has objects for them,
        also those of clicks that were there before, and of those of them that lie on no object of
        their class without a click (among them all clicks of images that the json lacks).

    Raises:
        DataError: unreadable files, strong images without masks, splits that exist already.
        ValueError: a percentage that leaves no image of a kind.
    """
    strong, weak = split_ids(formats.read_split(root, split), percent, seed)
    parts = {f"{split}_s": strong, f"{split}_w": weak}
    if not overwrite:
        for name in parts:
            if name in formats.list_splits(root):
                raise formats.DataError(f"the split {name} exists already; --overwrite", root)
    folder = DatasetFolder(root)
    json_path = Path(folder.ground_truth_json(split))
    coco = formats.read_coco(json_path) if json_path.is_file() else None
    _require_masks(root, strong if clicks is None else strong + weak, coco)
    points: Clicks = {}
    if clicks is not None:
        points = _make_clicks(root, weak, coco, clicks, seed, overwrite)
    made = sum(map(len, points.values()))
    numbers = {"strong images": len(strong), "weak images": len(weak), "clicks made": made}
    if coco is not None:
        kept = [image_id for image_id in weak if image_id not in points]
        found, unmatched = _match_clicks(root, split, kept, coco)
        points |= found
        if total := sum(map(len, found.values())) + unmatched:
            numbers |= {"clicks kept": total, "of them on no object of their class": unmatched}
    for name, ids in parts.items():
        folder.write_split(name, sorted(ids))
        if coco is not None:
            part = part_of_coco(coco, ids)
            formats.write_coco(folder.ground_truth_json(name), _with_points(part, points))
    return numbers


def split_ids(ids: list[str], percent: float, seed: int) -> tuple[list[str], list[str]]:
    """Strong and weak ids; those of a smaller percentage are among those of a larger one."""
    if not 0 < percent < 100:
        raise ValueError(
            f"--percent must lie between 0 and 100, got {percent}: at least one strong and "
            "one weak image are needed"
        )
    if seed < 0:
        raise ValueError(f"--seed must be 0 or more, got {seed}")
    # Sorted first: the draw does not depend on the order of the file.
    order = np.random.default_rng(seed).permutation(sorted(ids)).tolist()
    number = round(len(ids) * percent / 100)
    if not 0 < number < len(ids):
        raise ValueError(
            f"{percent} % of {len(ids)} images are {number} strong ones; at least one strong and "
            "one weak image are needed."
        )
    return order[:number], order[number:]


def click_of(mask: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[float, float]:
    """(y, x) of a click on a mask (H, W) bool that is not empty; ``kind`` is one of CLICKS."""
    if kind == "nearest":
        return mask_click(mask)
    pixels = np.argwhere(mask)
    if kind == "random":
        return tuple(pixels[rng.integers(len(pixels))].tolist())
    return tuple(pixels.mean(axis=0).tolist())


def _make_clicks(
    root: Path, ids: list[str], coco: dict[str, Any] | None, kind: str, seed: int, overwrite: bool
) -> Clicks:
    made: Clicks = {}
    objects = _objects_by_id(coco)
    for image_id in ids:
        path = Path(DatasetFolder(root).points_file(image_id, CLICK_FOLDER))
        if path.is_file() and not overwrite:
            continue
        # Of the image's own id: a click does not depend on which other images are weak.
        rng = np.random.default_rng([seed, *image_id.encode()])
        masks, classes, entries = _masks_of(root, image_id, objects)
        points = [click_of(mask, kind, rng) for mask in masks]
        formats.write_points(path, make_clicks(points, classes))
        made[image_id] = list(zip(entries, points, strict=True))
    return made


def _match_clicks(
    root: Path, split: str, ids: list[str], coco: dict[str, Any]
) -> tuple[Clicks, int]:
    """Clicks that are in the root already, with their objects, and the number without one."""
    found: Clicks = {}
    unmatched, objects = 0, _objects_by_id(coco)
    earlier = _earlier_points(root, split, coco)
    for image_id in ids:
        path = DatasetFolder(root).points_file(image_id, CLICK_FOLDER)
        if not os.path.isfile(path):
            continue
        clicks = formats.read_points(path)
        image, entries = objects.get(image_id, ({}, []))
        entry_of = _known_clicks(clicks, entries, earlier)
        entry_of |= _clicks_on_masks(clicks, image, entries, entry_of)
        unmatched += len(clicks) - len(entry_of)
        found[image_id] = [
            (entry, tuple(clicks.yx[click].tolist())) for click, entry in entry_of.items()
        ]
    return found, unmatched


def _earlier_points(
    root: Path, split: str, coco: dict[str, Any]
) -> dict[Any, list[tuple[float, float]]]:
    """Annotation id -> its points (y, x) in the json of earlier weak images and in ``coco``."""
    path = Path(DatasetFolder(root).ground_truth_json(f"{split}_w"))
    try:
        weak = formats.read_coco(path)["annotations"] if path.is_file() else []
    except formats.DataError:  # it is replaced
        weak = []
    found: dict[Any, list[tuple[float, float]]] = {}
    now = {entry["id"]: entry for entry in coco["annotations"]}
    for entry in [*weak, *coco["annotations"]]:
        point, same = entry.get("point"), now.get(entry["id"], {})
        if not isinstance(point, list) or len(point) != 2:
            continue
        # The json may have been made of other annotations with the same ids.
        is_same = all(entry[key] == same.get(key) for key in ("image_id", "segmentation"))
        if is_same and all(isinstance(value, int | float) for value in point):
            found.setdefault(entry["id"], []).append((point[1], point[0]))
    return found


def _known_clicks(
    clicks: Points, entries: list[dict], earlier: dict[Any, list[tuple[float, float]]]
) -> dict[int, Any]:
    """Click -> id of the annotation of its class that had it before."""
    entry_of: dict[int, Any] = {}
    for entry in entries:
        of_class = clicks.classes == entry["category_id"] - 1
        for point in earlier.get(entry["id"], []):
            equal = np.isclose(clicks.yx, point, rtol=0, atol=ROUNDING).all(axis=1) & of_class
            free = [click for click in np.flatnonzero(equal).tolist() if click not in entry_of]
            if free:
                entry_of[free[0]] = entry["id"]
                break
    return entry_of


def _clicks_on_masks(
    clicks: Points, image: dict, entries: list[dict], entry_of: dict[int, Any]
) -> dict[int, Any]:
    """Click -> id of the annotation that it lies on; ``entry_of`` has those that are known."""
    rest = [click for click in range(len(clicks)) if click not in entry_of]
    others = make_clicks(clicks.yx[rest].tolist(), clicks.classes[rest])
    masks, classes, ids = [], [], []
    for entry in entries if rest else []:
        size, class_id = (image["height"], image["width"]), entry["category_id"] - 1
        if entry["id"] in entry_of.values() or class_id not in others.classes:
            continue
        code = formats.segmentation_rle(entry["segmentation"], *size)
        pixels = click_pixels(others, size)[others.classes == class_id]
        # Only masks with a click in their box are decoded.
        if _in_box(pixels, coco_mask.toBbox(code)).any():
            masks.append(coco_mask.decode(code).astype(bool))
            classes.append(class_id)
            ids.append(entry["id"])
    matched = zip(rest, match_clicks(others, masks, classes), strict=True)
    return {click: ids[index] for click, index in matched if index >= 0}


def _in_box(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Which of the pixels (P, 2) (y, x) lie in a box (x, y, width, height)."""
    first, size = box[[1, 0]], box[[3, 2]]
    return ((pixels >= first) & (pixels < first + size)).all(axis=1)


def _with_points(coco: dict[str, Any], points: Clicks) -> dict[str, Any]:
    """The annotations with their clicks as "point" [x, y], pixel indices."""
    of_entry = {entry: (x, y) for pairs in points.values() for entry, (y, x) in pairs}
    annotations = [
        entry | {"point": [float(value) for value in of_entry[entry["id"]]]}
        if entry["id"] in of_entry
        else entry
        for entry in coco["annotations"]
    ]
    return {**coco, "annotations": annotations}


def _masks_of(
    root: Path, image_id: str, objects: dict[str, tuple[dict, list[dict]]]
) -> tuple[list[np.ndarray], list[int], list[int]]:
    """Masks (H, W) bool that are not empty, their classes and ids of annotations.

    ``objects`` empty: from PNGs, numbered from 0.
    """
    if not objects:
        instance_map, _, found = formats.read_instances(*DatasetFolder(root).mask_files(image_id))
        numbers = list(range(len(found)))
        return [instance_map == i + 1 for i in numbers], found.tolist(), numbers
    image, entries = objects[image_id]
    size = (image["height"], image["width"])
    masks = [formats.decode_mask(entry["segmentation"], *size).astype(bool) for entry in entries]
    kept = [index for index, mask in enumerate(masks) if mask.any()]
    classes = [entries[index]["category_id"] - 1 for index in kept]
    return [masks[index] for index in kept], classes, [entries[index]["id"] for index in kept]


def _objects_by_id(coco: dict[str, Any] | None) -> dict[str, tuple[dict, list[dict]]]:
    """Image and objects that are not crowds, by the image's id in the root."""
    if coco is None:
        return {}
    found: dict[Any, tuple[dict, list[dict]]] = {
        image["id"]: (image, []) for image in coco["images"]
    }
    for entry in coco["annotations"]:
        if not entry.get("iscrowd", 0):
            found[entry["image_id"]][1].append(entry)
    return {Path(image["file_name"]).stem: (image, of_it) for image, of_it in found.values()}


def _require_masks(root: Path, ids: list[str], coco: dict[str, Any] | None) -> None:
    if coco is not None:
        known = {Path(image["file_name"]).stem for image in coco["images"]}
        missing = [image_id for image_id in ids if image_id not in known]
    else:
        missing = [
            image_id
            for image_id in ids
            if not all(map(os.path.isfile, DatasetFolder(root).mask_files(image_id)))
        ]
    if missing:
        raise formats.DataError(
            f"{len(missing)} images need masks but have none, the first being {missing[0]}", root
        )
