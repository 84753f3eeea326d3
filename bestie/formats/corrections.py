"""Corrected labels of some images in the place of the old ones.

The old labels are a COCO json of all images; the corrected ones are that of a root that
``bestie import`` made of the corrected files. Images are matched by file name, or by the id that
the import makes of it; classes by name.
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from bestie.formats.base import DataError, join_errors
from bestie.formats.coco import read_coco, write_coco
from bestie.formats.dataset_folder import make_ids

__all__ = ["replace_labels"]


def replace_labels(
    labels: str | os.PathLike, corrected: str | os.PathLike, output: str | os.PathLike
) -> tuple[int, int]:
    """Write the labels with those of the corrected images replaced.

    Annotations are numbered from 1 again. A corrected image without objects has none afterwards.

    Args:
        labels: json of all images.
        corrected: json of the corrected ones.
        output: json to write; it may be ``labels``.

    Returns:
        Numbers of corrected images and of their objects.

    Raises:
        DataError: images or classes that the labels do not have, all at once; images of another
            size; two corrected images that are the same one.
    """
    old, new = read_coco(labels), read_coco(corrected)
    image_of = _matched_images(old, new, labels, corrected)
    category_of = _matched_categories(old, new, labels, corrected)
    replaced: dict[int, list[dict[str, Any]]] = {key: [] for key in image_of.values()}
    for entry in new["annotations"]:
        image_id = image_of[entry["image_id"]]
        ids = {"image_id": image_id, "category_id": category_of[entry["category_id"]]}
        replaced[image_id].append(entry | ids)
    kept: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in old["annotations"]:
        kept[entry["image_id"]].append(entry)
    annotations = [
        entry for image in old["images"] for entry in replaced.get(image["id"], kept[image["id"]])
    ]
    numbered = [entry | {"id": number} for number, entry in enumerate(annotations, 1)]
    write_coco(output, old | {"annotations": numbered})
    return len(replaced), sum(map(len, replaced.values()))


def _matched_images(
    old: dict[str, Any], new: dict[str, Any], labels: str | os.PathLike, corrected: Any
) -> dict[int, int]:
    """Image id of the corrected labels -> that of the old ones."""
    by_name = {image["file_name"]: image for image in old["images"]}
    # Ids are numbered where two names would give the same one: those say nothing here.
    by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, image in by_name.items():
        (image_id,) = make_ids([Path(name)], Path("."))
        by_id[image_id].append(image)
    problems: list[DataError] = []
    found: dict[int, int] = {}
    taken: dict[int, str] = {}
    for image in new["images"]:
        name = image["file_name"]
        # A name with a folder is exact; without one it can be the id of an image in a folder.
        exact = [by_name[name]] if name in by_name else []
        others = [] if exact and "/" in name else by_id.get(Path(name).stem, [])
        candidates = exact + [image for image in others if image not in exact]
        mistake = ""
        if len(candidates) != 1:
            what = "is the id of several images" if candidates else "is not an image"
            mistake = f"image '{name}' {what} of {labels}"
        elif candidates[0]["id"] in taken:
            mistake = f"images '{taken[candidates[0]['id']]}' and '{name}' are one of {labels}"
        elif (old_size := _size(candidates[0])) != (new_size := _size(image)):
            mistake = f"image '{name}' has the size {new_size}, in {labels} {old_size}"
        if mistake:
            problems.append(DataError(mistake, corrected))
        else:
            found[image["id"]] = candidates[0]["id"]
            taken[candidates[0]["id"]] = name
    if problems:
        raise join_errors(problems)
    return found


def _matched_categories(
    old: dict[str, Any], new: dict[str, Any], labels: str | os.PathLike, corrected: Any
) -> dict[int, int]:
    number = {category["name"]: category["id"] for category in old["categories"]}
    used = {entry["category_id"] for entry in new["annotations"]}
    named = {c["id"]: c["name"] for c in new["categories"] if c["id"] in used}
    if unknown := sorted(set(named.values()) - set(number)):
        accepted = ", ".join(number)
        message = f"has the classes {', '.join(unknown)}; those of {labels} are {accepted}"
        raise DataError(message, corrected)
    return {key: number[name] for key, name in named.items()}


def _size(image: dict[str, Any]) -> str:
    return f"{image['height']} x {image['width']} (height x width)"
