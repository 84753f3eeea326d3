"""Roots made from another root: links to its folders, and something of their own.

Used where the pipeline opens its data (clicks without tags) and where it measures on a part of the
images.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from bestie.formats import (
    DataError,
    DatasetFolder,
    atomic_write,
    list_splits,
    read_points,
    read_split,
)

__all__ = ["link_root", "root_with_tags_of_clicks"]


def link_root(root: Path, target: Path, *, without: Iterable[str] = ()) -> None:
    """Fill ``target`` with links to the entries of ``root``, but for some; safe to repeat."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        link = target / entry.name
        if entry.name not in without and not link.is_symlink():
            link.symlink_to(entry.resolve())


def root_with_tags_of_clicks(root: Path, clicks: Path, target: Path) -> None:
    """Make a root whose tags are the classes of the clicks of each image.

    Args:
        root: it has no tags.
        clicks: folder of the click files; mistakes in them are left to the check of the data.
        target: root to make.
    """
    folder = DatasetFolder(target)
    link_root(root, target, without=(os.path.basename(folder.tags_file),))
    ignored: list[DataError] = []
    lines = []
    for split in list_splits(root):
        for image_id in read_split(root, split, ignored):
            path = clicks / f"{image_id}.txt"
            if path.is_file():
                classes = sorted(set(read_points(path, ignored).classes.tolist()))
                lines.append(" ".join(map(str, [image_id, *classes])) + "\n")
    with atomic_write(folder.tags_file) as file:
        file.writelines(dict.fromkeys(lines))
