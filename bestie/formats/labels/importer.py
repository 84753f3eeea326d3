"""Photos and labels of another tool to a new folder-contract root; mistakes are reported all at
once.

``registry`` reads the labels, ``photos`` finds the image that each of them means. Called by
``bestie.cli.import_labels``.
"""

import os
import random
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from bestie import formats
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS, make_ids
from bestie.formats.instances import make_clicks
from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    Row,
    name_mistake,
    report_class_twins,
)
from bestie.formats.labels.photos import PhotoFinder
from bestie.formats.labels.registry import read_labels
from bestie.progress import track

__all__ = [
    "Imported",
    "import_labels",
]

# Images of these suffixes are linked or copied; the others are converted to PNG.
KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")
JPEG_SUFFIXES = (".jfif",)


@dataclass
class Item:
    """One image and its labels.

    Attributes:
        path: the user's file.
        size: (height, width), pixels.
        tags: names of classes.
        clicks: ((y, x), name of the class), one per object.
    """

    path: Path
    size: tuple[int, int]
    tags: set[str] = field(default_factory=set)
    clicks: list[tuple[tuple[float, float], str]] = field(default_factory=list)


@dataclass(frozen=True)
class Imported:
    """What was made.

    Attributes:
        kind: "clicks" or "tags".
        class_names: of the new root.
        splits: name -> ids.
        images_per_class, clicks_per_class: by name of the class.
        left_out: images of the folder that the labels do not name.
        notes: what was read in a way that a user should know of.
    """

    kind: str
    class_names: list[str]
    splits: dict[str, list[str]]
    images_per_class: Counter
    clicks_per_class: Counter
    left_out: int
    notes: list[str]


def import_labels(
    images: Path,
    labels: Path,
    output: Path,
    *,
    format: str | None = None,
    classes: Path | None = None,
    val_share: float = 0.1,
    seed: int = 0,
    copy: bool = False,
    keep_unlabelled: bool = False,
    options: ReadOptions | None = None,
) -> Imported:
    """Make a folder-contract root.

    Args:
        images: folder of the images, with all folders in it.
        labels: what ``registry.read_labels`` reads.
        output: folder to make.
        format: see there.
        classes: text file of class names, in the order that they are to have; None: the names that
            occur, in COCO's order or that of the alphabet.
        val_share: share of the images that goes into the split "val", in [0, 1).
        seed: decides which images these are.
        copy: copy the images; else they are linked.
        keep_unlabelled: import images that the labels do not name as images without objects.
        options: how to read labels that could be read in several ways.

    Raises:
        ValueError: ``val_share`` is out of range (DataError: all mistakes in the labels; the
            output exists). Nothing is written then.
    """
    if not 0 <= val_share < 1:
        raise ValueError(f"--val-share must lie in [0, 1), got {val_share}")
    if not images.is_dir():
        raise formats.DataError("--images: is not a folder", images)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise formats.DataError("--output exists already; name a new folder", output)
    source = read_labels(labels, format, options)
    class_names = _class_names(source, labels, classes)
    finder = PhotoFinder(images)
    items = _match(source, finder, class_names)
    left_out = [path for path in finder.photos if path not in items]
    if keep_unlabelled:
        items |= {path: Item(path, _size(path, source)) for path in left_out}
        left_out = []
    _check_coordinates(source, items)
    if source.problems:
        raise formats.join_errors(source.problems)
    ids = make_ids(sorted(items), images)
    splits = _draw_splits(sorted(ids), val_share, seed)
    kind = "clicks" if source.clicked else "tags"
    _write(output, {key: items[path] for key, path in ids.items()}, class_names, splits, kind, copy)
    tags = Counter(name for item in items.values() for name in item.tags)
    clicks = Counter(name for item in items.values() for _, name in item.clicks)
    return Imported(kind, class_names, splits, tags, clicks, len(left_out), source.notes)


def _class_names(source: Labels, labels: Path, classes: Path | None) -> list[str]:
    """Names of the root's classes; a label of another class becomes a problem."""
    used = {name for row in source.rows for name in row.classes}
    if not used and not source.problems:
        source.report("no image has a class: nothing can be learned", labels)
    if classes is None:
        report_class_twins(source, labels)
        return source.class_names or sorted(used)
    names = formats.read_class_file(classes)
    for number, name in enumerate(names, 1):
        if mistake := name_mistake(name):
            source.report(mistake, classes, number)
    names = [unicodedata.normalize("NFC", name) for name in names]
    for row in source.rows:
        for name in row.classes:
            if name not in names:
                source.report(f"class '{name}' is not in {classes}", row.file, row.line)
    return names


def _match(source: Labels, finder: PhotoFinder, class_names: Sequence[str]) -> dict[Path, Item]:
    """Labels by image; a label whose image is missing, or not clear, becomes a problem."""
    items: dict[Path, Item] = {}
    known_names = set(class_names)
    for row in source.rows:
        path = finder.find(row)
        if isinstance(path, str):
            source.report(path, row.file, row.line)
            continue
        item = items.setdefault(path, Item(path, (0, 0)))
        if item.size == (0, 0):
            item.size = _size(item.path, source)
            _check_size(row, item.size, source)
        known = [name for name in row.classes if name in known_names]
        item.tags.update(known)
        if row.xy is not None:
            _check_inside(row, item.size, source)
            item.clicks += [((row.xy[1], row.xy[0]), name) for name in known]
    return items


def _size(path: Path, source: Labels) -> tuple[int, int]:
    try:
        return formats.read_image(path).shape[:2]
    except formats.DataError as error:
        source.problems.append(error)
        return (-1, -1)


def _check_size(row: Row, size: tuple[int, int], source: Labels) -> None:
    stated = source.sizes.get((row.file, row.image), size)
    if size[0] > 0 and stated != size:
        found = f"{size[0]} x {size[1]} pixels (height x width)"
        message = f"image '{row.image}' has {found}, but was labelled at {stated[0]} x {stated[1]}"
        source.report(message, row.file, row.line)


def _check_inside(row: Row, size: tuple[int, int], source: Labels) -> None:
    assert row.xy is not None
    (height, width), (x, y) = size, row.xy
    if height > 0 and not (0 <= x < width and 0 <= y < height):
        message = f"x {x:g}, y {y:g} lies outside '{row.image}' of {width} x {height}"
        source.report(f"{message} (width x height)", row.file, row.line)


def _check_coordinates(source: Labels, items: dict[Path, Item]) -> None:
    clicks = [yx for item in items.values() for yx, _ in item.clicks]
    if len(clicks) > 3 and all(max(yx) <= 1 for yx in clicks):
        message = "all coordinates lie in [0, 1]; pixels are expected, not shares of the image"
        source.report(message, source.rows[0].file)


def _draw_splits(ids: list[str], val_share: float, seed: int) -> dict[str, list[str]]:
    count = round(val_share * len(ids))
    if val_share > 0 and len(ids) > 1:
        count = min(max(count, 1), len(ids) - 1)
    val = set(random.Random(seed).sample(ids, count))
    splits = {"train": [key for key in ids if key not in val]}
    return splits | ({"val": sorted(val)} if val else {})


def _write(
    output: Path,
    items: dict[str, Item],
    class_names: list[str],
    splits: dict[str, list[str]],
    kind: str,
    copy: bool,
) -> None:
    """Write the root beside its place and rename it, so that it is whole or missing."""
    output.parent.mkdir(parents=True, exist_ok=True)
    build = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    number = {name: i for i, name in enumerate(class_names)}
    try:
        folder, images = DatasetFolder(build), Path(DatasetFolder(build).image_folder)
        final = Path(DatasetFolder(output).image_folder)
        images.mkdir()
        folder.write_class_names(class_names)
        for key, item in track(items.items(), "images"):
            _put_image(item.path, images, final, key, copy)
            if kind == "clicks":
                yx, names = zip(*item.clicks, strict=True) if item.clicks else ((), ())
                clicks = make_clicks(yx, [number[name] for name in names])
                formats.write_points(folder.points_file(key, CLICKS), clicks)
        tags = {key: [number[name] for name in item.tags] for key, item in items.items()}
        folder.add_tags(tags)
        for split, ids in splits.items():
            folder.write_split(split, ids)
        with formats.atomic_write(build / "source_files.tsv") as file:
            file.writelines(f"{key}\t{item.path}\n" for key, item in items.items())
        build.chmod(0o755)
        build.replace(output)
    except BaseException:
        shutil.rmtree(build)
        raise


def _put_image(path: Path, folder: Path, final: Path, key: str, copy: bool) -> None:
    """Link, copy or convert an image into ``folder``, which will be ``final``."""
    suffix = ".jpg" if path.suffix.lower() in JPEG_SUFFIXES else path.suffix.lower()
    if suffix not in KEPT_SUFFIXES:
        Image.fromarray(formats.read_image(path)).save(folder / f"{key}.png")
    elif copy:
        shutil.copyfile(path, folder / f"{key}{suffix}")
    else:
        target = os.path.relpath(path.resolve(), final.resolve())
        (folder / f"{key}{suffix}").symlink_to(target)
