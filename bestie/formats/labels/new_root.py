"""Imported images and labels to a new folder-contract root: ids, splits, files."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bestie import formats
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS, make_ids
from bestie.formats.instances import coco_categories, make_clicks, mask_annotation
from bestie.progress import track

__all__ = ["CLICKS_ONLY", "MASKS_AND_CLICKS", "MASKS_ONLY", "Item", "draw_splits", "write_root"]

# Images of these suffixes are linked or copied; the others are converted to PNG.
KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")
JPEG_SUFFIXES = (".jfif",)
CLICKS_ONLY, MASKS_ONLY, MASKS_AND_CLICKS = "clicks", "masks", "masks+clicks"


@dataclass
class Item:
    """One image and its labels.

    Attributes:
        path: the user's file.
        size: (height, width), pixels.
        tags: names of classes.
        clicks: ((y, x), name of the class), one per object.
        masks: (COCO run-length code, name of the class), one per object.
    """

    path: Path
    size: tuple[int, int]
    tags: set[str] = field(default_factory=set)
    clicks: list[tuple[tuple[float, float], str]] = field(default_factory=list)
    masks: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    @property
    def has_objects(self) -> bool:
        """Whether its labels say that it shows any object."""
        return bool(self.tags or self.clicks or self.masks)


def write_root(
    output: Path,
    items: Iterable[Item],
    photos: Path,
    class_names: Sequence[str],
    kind: str,
    *,
    val_share: float,
    seed: int,
    copy: bool,
) -> dict[str, list[str]]:
    """Write the root beside its place and rename it, so that it is whole or missing.

    Args:
        output: folder to make.
        items: the images.
        photos: the user's folder, which ids are relative to.
        class_names: of the root.
        kind: "tags", CLICKS_ONLY, MASKS_ONLY or MASKS_AND_CLICKS.
        val_share, seed: see :func:`draw_splits`.
        copy: copy the images; else they are linked.

    Returns:
        Name of each split -> ids.
    """
    of_path = {item.path: item for item in items}
    keyed = {key: of_path[path] for key, path in make_ids(sorted(of_path), photos).items()}
    splits = draw_splits(keyed, kind, val_share, seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    build = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        folder, final = DatasetFolder(build), Path(DatasetFolder(output).image_folder)
        Path(folder.image_folder).mkdir()
        folder.write_class_names(class_names)
        files = {
            key: _put_image(item.path, Path(folder.image_folder), final, key, copy)
            for key, item in track(keyed.items(), "images")
        }
        _write_labels(folder, keyed, files, class_names, splits, kind)
        with formats.atomic_write(build / "source_files.tsv") as file:
            file.writelines(f"{key}\t{item.path}\n" for key, item in keyed.items())
        build.chmod(0o755)
        build.replace(output)
    except BaseException:
        shutil.rmtree(build)
        raise
    return splits


def _write_labels(
    folder: DatasetFolder,
    items: dict[str, Item],
    files: dict[str, str],
    class_names: Sequence[str],
    splits: dict[str, list[str]],
    kind: str,
) -> None:
    number = {name: i for i, name in enumerate(class_names)}
    folder.add_tags({key: [number[name] for name in item.tags] for key, item in items.items()})
    for split, ids in splits.items():
        folder.write_split(split, ids)
        if kind == MASKS_ONLY or (kind == MASKS_AND_CLICKS and split != "train_w"):
            coco = _ground_truth(ids, items, files, class_names)
            formats.write_coco(folder.ground_truth_json(split), coco)
        elif kind != "tags":
            for key in ids:
                clicks = items[key].clicks
                points = make_clicks([yx for yx, _ in clicks], [number[name] for _, name in clicks])
                formats.write_points(folder.points_file(key, CLICKS), points)


def _ground_truth(
    ids: Sequence[str], items: dict[str, Item], files: dict[str, str], class_names: Sequence[str]
) -> dict[str, Any]:
    """The COCO json of a split whose images have masks."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, key in enumerate(ids, 1):
        height, width = items[key].size
        images.append({"id": image_id, "file_name": files[key], "height": height, "width": width})
        for rle, name in items[key].masks:
            class_id, entry_id = class_names.index(name), len(annotations) + 1
            annotations.append(mask_annotation(rle, class_id, image_id, entry_id))
    categories = coco_categories(class_names)
    return {"images": images, "annotations": annotations, "categories": categories}


def draw_splits(
    items: dict[str, Item], kind: str, val_share: float, seed: int
) -> dict[str, list[str]]:
    """Name of each split -> ids: "train" and "val", or "train_s", "train_w" and "val".

    Images with masks and images with clicks in one import become the strong images ("train_s") and
    the weak ones ("train_w"); "val" is then drawn from the images with masks, which can be
    evaluated.

    Of two images with objects or more, each of the two splits gets one: a split without any object
    could be neither trained on nor evaluated.

    Args:
        items: id -> image.
        kind: see :func:`write_root`.
        val_share: share of the images that goes into "val", in [0, 1); at least one if it is not 0.
        seed: decides which ones these are.
    """
    drawn = sorted(items)
    splits: dict[str, list[str]] = {}
    if kind == MASKS_AND_CLICKS:
        splits["train_w"] = [key for key in drawn if not items[key].masks]
        drawn = [key for key in drawn if items[key].masks]
    count = round(val_share * len(drawn))
    if val_share > 0 and len(drawn) > 1:
        count = min(max(count, 1), len(drawn) - 1)
    generator = random.Random(seed)
    val = set(generator.sample(drawn, count))
    filled = {key for key in drawn if items[key].has_objects}
    if len(filled) > 1 and val and not val & filled:
        val = val - {generator.choice(sorted(val))} | {generator.choice(sorted(filled))}
    elif len(filled) > 1 and filled <= val:
        others = sorted(set(drawn) - val)
        val = val - {generator.choice(sorted(filled))} | {generator.choice(others)}
    train = [key for key in drawn if key not in val]
    splits = {"train_s" if kind == MASKS_AND_CLICKS else "train": train} | splits
    return splits | ({"val": sorted(val)} if val else {})


def _put_image(path: Path, folder: Path, final: Path, key: str, copy: bool) -> str:
    """Link, copy or convert an image into ``folder``, which will be ``final``: the file's name."""
    suffix = ".jpg" if path.suffix.lower() in JPEG_SUFFIXES else path.suffix.lower()
    if suffix not in KEPT_SUFFIXES:
        suffix = ".png"
        Image.fromarray(formats.read_image(path)).save(folder / f"{key}.png")
    elif copy:
        shutil.copyfile(path, folder / f"{key}{suffix}")
    else:
        target = os.path.relpath(path.resolve(), final.resolve())
        (folder / f"{key}{suffix}").symlink_to(target)
    return f"{key}{suffix}"
