"""Roots made from another root: links to its folders, and something of their own.

Used where the pipeline opens its data (clicks without tags) and where it measures on a part of the
images.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from bestie.data.registration import dataset_name
from bestie.formats import (
    DataError,
    DatasetFolder,
    atomic_write,
    list_splits,
    read_coco,
    read_points,
    read_split,
    write_coco,
)
from bestie.formats.dataset_folder import CLICKS
from bestie.formats.true_masks import part_of_coco
from bestie.pipeline.source import Source

__all__ = [
    "SUBSET",
    "link_root",
    "link_root_to_split",
    "make_subset",
    "root_with_tags_of_clicks",
]

# The split of a root that holds a part of the images.
SUBSET = "subset"


def link_root(root: Path, target: Path, *, without: Iterable[str] = ()) -> None:
    """Fill ``target`` with links to the entries of ``root``, but for some; safe to repeat.

    Entries that ``target`` has already stay.
    """
    target.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        link = target / entry.name
        if entry.name not in without and not os.path.lexists(link):
            link.symlink_to(entry.resolve())


def link_root_to_split(root: Path, target: Path) -> None:
    """Fill ``target`` with links to ``root`` in such a way that splits and clicks can be added.

    The folders that get new files are folders of links; a link that is written to is replaced.
    """
    folder = DatasetFolder(target)
    files = (folder.split_folder, os.path.dirname(folder.ground_truth_json(SUBSET)))
    own = [Path(path).relative_to(target) for path in files]
    own.append(Path(CLICKS))
    link_root(root, target, without=[path.parts[0] for path in own])
    for path in own:
        if (root / path).is_dir():
            link_root(root / path, target / path)


def make_subset(source: Source, part: str, target: Path, most: int) -> str:
    """Make a root of some images of a part of the data, with their true instances if there are.

    Args:
        source: the data.
        part: "train", ...
        target: root to make.
        most: number of images, at most; they are spread evenly over the split.

    Returns:
        The name of the data set.
    """
    ids, folder = source.ids[part], DatasetFolder(target)
    chosen = ids if len(ids) <= most else [ids[i * len(ids) // most] for i in range(most)]
    json_file = folder.ground_truth_json(SUBSET)
    own = [Path(path).relative_to(target).parts[0] for path in (folder.split_folder, json_file)]
    folder.write_split(SUBSET, chosen)
    link_root(source.root, target, without=own)
    if source.truth[part] == "json":
        truth = DatasetFolder(source.root).ground_truth_json(source.splits[part])
        write_coco(json_file, part_of_coco(read_coco(truth), chosen))
    return dataset_name("folder", target, SUBSET)


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
