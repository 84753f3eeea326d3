"""Photos and labels of another tool to a new folder-contract root; mistakes are reported all at
once.

``registry`` reads the labels, ``photos`` finds the image that each of them means. Called by
``bestie.cli.import_labels``.
"""

import os
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from bestie import formats
from bestie.formats.images import PHOTO_SUFFIXES
from bestie.formats.labels.base import (
    Labels,
    ReadOptions,
    Row,
    name_mistake,
    report_class_twins,
    size_mistake,
)
from bestie.formats.labels.new_root import (
    CLICKS_ONLY,
    MASKS_AND_CLICKS,
    MASKS_ONLY,
    Item,
    write_root,
)
from bestie.formats.labels.objects import check_kinds, settle_tags
from bestie.formats.labels.photos import PhotoFinder, name_parts
from bestie.formats.labels.registry import read_labels
from bestie.formats.labels.shapes import draw_shape
from bestie.formats.rle import encode_mask

__all__ = [
    "Imported",
    "import_labels",
]


@dataclass(frozen=True)
class Imported:
    """What was made.

    Attributes:
        kind: "tags", "clicks", "masks" or "masks+clicks".
        class_names: of the new root.
        splits: name -> ids.
        images_per_class, clicks_per_class, masks_per_class: by name of the class.
        left_out: images of the folder that the labels do not name.
        notes: what was read in a way that a user should know of.
    """

    kind: str
    class_names: list[str]
    splits: dict[str, list[str]]
    images_per_class: Counter
    clicks_per_class: Counter
    masks_per_class: Counter
    left_out: int
    notes: list[str]


def import_labels(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    output: str | os.PathLike,
    *,
    format: str | None = None,
    classes: str | os.PathLike | None = None,
    val_share: float = 0.1,
    seed: int = 0,
    copy: bool = False,
    keep_unlabelled: bool = False,
    skip_empty: bool = False,
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
        skip_empty: leave out images that the labels name without any label.
        options: how to read labels that could be read in several ways.

    Raises:
        ValueError: ``val_share`` is out of range, or two options contradict each other (DataError:
            all mistakes in the labels; the output exists). Nothing is written then.
    """
    if not 0 <= val_share < 1:
        raise ValueError(f"--val-share must lie in [0, 1), got {val_share}")
    if keep_unlabelled and skip_empty:
        raise ValueError("--keep-unlabelled and --skip-empty contradict each other; give one")
    images, labels, output = Path(images), Path(labels), Path(output)
    _check_folders(images, output)
    options = options or ReadOptions()
    source = read_labels(labels, format, options)
    class_names = _class_names(source, labels, None if classes is None else Path(classes))
    finder = PhotoFinder(images)
    if not finder.photos:
        raise formats.DataError(f"--images: holds no images ({', '.join(PHOTO_SUFFIXES)})", images)
    items = _match(source, finder, class_names, options)
    if not source.problems and not any(item.has_objects for item in items.values()):
        # Masks without a pixel, and tags that the user gives up, are left out: nothing may remain.
        left = "; ".join(source.notes)
        source.report(f"no label is left, nothing can be learned: {left}", labels)
    left_out = [path for path in finder.photos if path not in items]
    _settle_empty(source, items, labels, skip_empty)
    if keep_unlabelled:
        items |= {path: Item(path, _size(path, source)) for path in left_out}
        left_out = []
    _check_coordinates(source, items)
    _check_objects_as(source, options, labels)
    if source.problems:
        raise formats.join_errors(source.problems)
    kind = _kind(source, items)
    splits = write_root(
        output,
        items.values(),
        images,
        class_names,
        kind,
        val_share=val_share,
        seed=seed,
        copy=copy,
    )
    if "val" in splits and sum(item.has_objects for item in items.values()) == 1:
        source.notes.append(
            "only one image shows an object, so train or val has none, which bestie check and "
            "bestie run refuse; label more images"
        )
    tags = Counter(name for item in items.values() for name in item.tags)
    clicks = Counter(name for item in items.values() for _, name in item.clicks)
    masks = Counter(name for item in items.values() for _, name in item.masks)
    return Imported(kind, class_names, splits, tags, clicks, masks, len(left_out), source.notes)


def _settle_empty(source: Labels, items: dict[Path, Item], labels: Path, skip: bool) -> None:
    """Note how many images are named without any label; leave them out if ``skip``.

    Tools list images that nobody has labelled yet, too, and no format can say that they are.
    """
    empty = [path for path, item in items.items() if not item.has_objects]
    if not empty:
        return
    found = f"{len(empty)} of {len(items)} images have no label in {labels}"
    if skip:
        for path in empty:
            del items[path]
        source.notes.append(f"{found}; they are left out (--skip-empty)")
    else:
        advice = "--skip-empty leaves them out"
        source.notes.append(f"{found}; they count as images without objects ({advice})")


def _kind(source: Labels, items: dict[Path, Item]) -> str:
    masked = any(item.masks for item in items.values())
    if masked and source.clicked:
        return MASKS_AND_CLICKS
    return MASKS_ONLY if masked else CLICKS_ONLY if source.clicked else "tags"


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


def _match(
    source: Labels, finder: PhotoFinder, class_names: list[str], options: ReadOptions
) -> dict[Path, Item]:
    """Labels by image; a label whose image is missing, or not clear, becomes a problem."""
    rows_of: dict[Path, list[Row]] = defaultdict(list)
    missing: dict[tuple[str, Path, int | None], None] = {}  # each once, an image has many rows
    for row in source.rows:
        path = finder.find(row)
        if isinstance(path, str):
            missing[path, row.file, row.line] = None
        else:
            rows_of[path].append(row)
    for message, file, line in missing:
        source.report(message, file, line)
    (_check_files if source.file_per_image else _check_names)(source, rows_of)
    check_kinds(source, options, rows_of)
    rows_of = settle_tags(source, options, rows_of)
    known, empty = set(class_names), []
    items = {path: Item(path, _size(path, source)) for path in rows_of}
    for path, rows in rows_of.items():
        item = items[path]
        for row in {(row.file, row.image): row for row in reversed(rows)}.values():
            _check_size(row, item.size, source)
        for row in rows:
            row = _in_pixels(row, item.size)
            if not known.issuperset(row.classes):
                continue
            if row.mask is not None and not _add_mask(row, item, source):
                empty.append(row)
                continue
            item.tags.update(row.classes)
            if row.xy is not None:
                _check_inside(row, item.size, source)
                item.clicks += [((row.xy[1], row.xy[0]), name) for name in row.classes]
    if empty:
        first = f"{empty[0].where} of {empty[0].file.name}".strip()
        message = "masks cover no pixel and are left out, the first being"
        source.notes.append(f"{len(empty)} {message} {first}")
    return items


def _check_folders(images: Path, output: Path) -> None:
    if not images.is_dir():
        raise formats.DataError("--images: is not a folder", images)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise formats.DataError("--output exists already; name a new folder", output)


def _check_files(source: Labels, rows_of: dict[Path, list[Row]]) -> None:
    """Report images that several files label: files of two folders, or a copy of one file."""
    for path, rows in rows_of.items():
        first, *others = dict.fromkeys(row.file for row in rows)
        for file in others:
            message = f"labels '{path.name}', which {first} does, too; keep the one that is meant"
            source.report(message, file)


def _check_names(source: Labels, rows_of: dict[Path, list[Row]]) -> None:
    """Report images that the labels have under several names: two entries, most likely."""
    for rows in rows_of.values():
        of_name: dict[tuple[str, ...], Row] = {}
        for row in rows:
            of_name.setdefault(name_parts(row.image), row)
        first, *others = of_name.values()
        for row in others:
            message = f"images '{row.image}' and '{first.image}' are one photo; use one name for it"
            source.report(message, row.file, row.line)


def _in_pixels(row: Row, size: tuple[int, int]) -> Row:
    """A row whose coordinates are pixels."""
    height, width = size
    if not row.is_share or height <= 0:
        return row
    if row.mask is not None:
        return replace(row, mask=row.mask.scaled(width, height))
    return row if row.xy is None else replace(row, xy=(row.xy[0] * width, row.xy[1] * height))


def _add_mask(row: Row, item: Item, source: Labels) -> bool:
    """Add the mask of a row to its image; False if it covers no pixel."""
    if item.size[0] <= 0:
        return True
    mask = draw_shape(row.mask, *item.size)
    if isinstance(mask, str):
        source.report(f"{row.where} of '{row.image}': {mask}".strip(), row.file, row.line)
        return True
    if mask.any():
        item.masks += [(encode_mask(mask), name) for name in row.classes]
    return bool(mask.any())


def _size(path: Path, source: Labels) -> tuple[int, int]:
    try:
        return formats.read_image(path).shape[:2]
    except formats.DataError as error:
        source.problems.append(error)
        return (-1, -1)


def _check_size(row: Row, size: tuple[int, int], source: Labels) -> None:
    stated = source.sizes.get((row.file, row.image), (None, None))
    if size[0] > 0 and (mistake := size_mistake(row.image, size, stated)):
        source.report(mistake, row.file, row.line)


def _check_inside(row: Row, size: tuple[int, int], source: Labels) -> None:
    assert row.xy is not None
    (height, width), (x, y) = size, row.xy
    if height > 0 and not (0 <= x < width and 0 <= y < height):
        message = f"x {x:g}, y {y:g} lies outside '{row.image}' of {width} x {height}"
        source.report(f"{message} (width x height)", row.file, row.line)


def _check_objects_as(source: Labels, options: ReadOptions, labels: Path) -> None:
    """Report a kind of labels that the user asked for and no object has."""
    if source.problems:
        return
    if options.objects_as == "masks" and not source.masked:
        source.report("--as masks: no object has an outline or pixels", labels)
    if options.objects_as == "clicks" and not source.clicked:
        source.report("--as clicks: no object has a point (see --boxes-as-clicks)", labels)


def _check_coordinates(source: Labels, items: dict[Path, Item]) -> None:
    clicks = [yx for item in items.values() for yx, _ in item.clicks]
    if len(clicks) > 3 and all(max(yx) <= 1 for yx in clicks):
        message = "all coordinates lie in [0, 1]; pixels are expected, not shares of the image"
        source.report(message, source.rows[0].file)
