"""COCO jsons between the stages of PointWSSIS: pairs for the refiner, labels for the student.

Images are matched by file name; the ids of images and annotations are numbered again from 1. Strong
images have true masks, weak ones clicks.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from bestie.formats import DataError, decode_mask, read_coco, write_coco
from bestie.formats.supervision import LabelKind, mark_images
from bestie.methods.pointwssis.pairing import nearest_instances

__all__ = ["merge_labels", "pair_labels"]


def pair_labels(
    rough: Sequence[str | os.PathLike],
    truth: str | os.PathLike,
    output: str | os.PathLike,
    max_distance: float = float("inf"),
) -> int:
    """Write one annotation per rough mask: its true mask as "segmentation", the rough as "rough".

    A rough mask belongs to the true instance of its image and class whose centroid is nearest to
    its point. Rough masks without one are left out.

    Args:
        rough: jsons of labels of strong images with "point" [x, y], one per teacher checkpoint.
        truth: json of the strong images.
        output: json to write.
        max_distance: instances farther from the point than this do not count, pixels.

    Returns:
        Number of pairs.

    Raises:
        DataError: files that do not fit each other, labels without points, or no pair.
    """
    coco = read_coco(truth)
    true_annotations = _by_image(coco)
    images = {image["file_name"]: image for image in coco["images"]}
    pairs: list[dict[str, Any]] = []
    for path in rough:
        labels = read_coco(path)
        _require_categories(labels, coco, path)
        of_image = _by_image(labels)
        for image in labels["images"]:
            if image["file_name"] not in images:
                raise DataError(f"{image['file_name']} is not an image of {truth}", path)
            true_image = images[image["file_name"]]
            found = _pairs_of_image(
                of_image[image["id"]], true_annotations[true_image["id"]], true_image, max_distance
            )
            pairs += found
    if not pairs:
        raise DataError("no rough mask has a true instance of its class in its image", truth)
    numbered = [{**pair, "id": number} for number, pair in enumerate(pairs, 1)]
    write_coco(output, {**coco, "annotations": numbered})
    return len(pairs)


def merge_labels(
    truth: str | os.PathLike,
    labels: str | os.PathLike,
    output: str | os.PathLike,
    weak_kind: LabelKind = LabelKind.CLICKS,
) -> tuple[int, int]:
    """Write the true instances of the strong images and the labels of the weak ones as one json.

    Each image has the kind of labels behind its annotations in the field "supervision".

    Args:
        truth: json of the strong images.
        labels: json of the labels of the weak images.
        output: json to write.
        weak_kind: what a person gave for the weak images; none for plain detections of a teacher.

    Returns:
        Numbers of true instances and of labels.

    Raises:
        DataError: an image in both, or other categories.
    """
    strong, weak = read_coco(truth), read_coco(labels)
    _require_categories(weak, strong, labels)
    names = [{image["file_name"] for image in coco["images"]} for coco in (strong, weak)]
    if both := sorted(names[0] & names[1]):
        raise DataError(
            f"has {len(both)} images of {truth}, too, the first being {both[0]}", labels
        )
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for coco, kind in ((strong, LabelKind.MASKS), (weak, weak_kind)):
        of_image = _by_image(coco, crowds=True)
        for image in mark_images(coco["images"], kind):
            number = len(images) + 1
            images.append({**image, "id": number})
            for entry in of_image[image["id"]]:
                annotations.append({**entry, "id": len(annotations) + 1, "image_id": number})
    write_coco(output, {**strong, "images": images, "annotations": annotations})
    return len(strong["annotations"]), len(weak["annotations"])


def _pairs_of_image(
    labels: list[dict], objects: list[dict], image: dict[str, Any], max_distance: float
) -> Iterator[dict[str, Any]]:
    size = (image["height"], image["width"])
    masks = [decode_mask(entry["segmentation"], *size) for entry in objects]
    objects = [entry for entry, mask in zip(objects, masks, strict=True) if mask.any()]
    centers = [np.argwhere(mask).mean(axis=0) for mask in masks if mask.any()]
    for label in labels:
        if "point" not in label:
            raise DataError(f"the label {label['id']} of {image['file_name']} has no 'point'")

    def classes(entries: list[dict]) -> torch.Tensor:
        return torch.tensor([entry["category_id"] for entry in entries], dtype=torch.int64)

    points = torch.tensor([label["point"][::-1] for label in labels], dtype=torch.float64)
    found = nearest_instances(
        points.view(-1, 2),
        classes(labels),
        torch.zeros(len(labels), dtype=torch.int64),
        torch.from_numpy(np.array(centers, np.float64).reshape(-1, 2)),
        classes(objects),
        torch.zeros(len(objects), dtype=torch.int64),
        max_distance,
    )
    for label, index in zip(labels, found.tolist(), strict=True):
        if index >= 0:
            rough = {"rough": label["segmentation"], "point": label["point"]}
            yield {**objects[index], **rough, "image_id": image["id"]}


def _by_image(coco: dict[str, Any], crowds: bool = False) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
    for entry in coco["annotations"]:
        if crowds or not entry.get("iscrowd", 0):
            found[entry["image_id"]].append(entry)
    return found


def _require_categories(coco: dict, expected: dict, path: str | os.PathLike) -> None:
    found, known = ({c["id"]: c["name"] for c in each["categories"]} for each in (coco, expected))
    if found != known:
        raise DataError(f"has the categories {found}, expected are {known}", path)
