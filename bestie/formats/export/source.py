"""Where labels to write come from: a COCO json, or the true masks of a data set.

Images are those of the labels, or a part of them that a list names. Their photos are found in a
folder-contract root, or in any folder.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as coco_mask

from bestie.formats.base import DataError, join_errors, read_lines, reporter
from bestie.formats.coco import read_coco
from bestie.formats.dataset_folder import DatasetFolder, find_image, read_class_names, read_split
from bestie.formats.export.base import LabelledImage, LabelledObject, LabelSet
from bestie.formats.images import read_image_size, read_instances
from bestie.formats.instances import coco_annotations, coco_categories
from bestie.formats.labels.base import Row, name_mistake
from bestie.formats.labels.photos import PhotoFinder

__all__ = ["Selection", "read_label_set", "true_masks"]


@dataclass
class Selection:
    """Which labels are written.

    Attributes:
        images: text file with the name of one image per line; None: all images.
        score_threshold: objects need this score.
        min_area: objects need this many pixels.
        left_out (Counter): why -> number of objects that are not written.
    """

    images: Path | None = None
    score_threshold: float = 0.0
    min_area: int = 1
    left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f"the score threshold must lie in [0, 1], got {self.score_threshold}")
        if self.min_area < 1:
            raise ValueError(f"the minimum area must be 1 pixel or more, got {self.min_area}")


def read_label_set(
    labels: Path | None,
    data: Path | None,
    split: str,
    selection: Selection,
    with_photos: bool,
) -> LabelSet:
    """Read the labels to write.

    Args:
        labels: COCO json; None: the true masks of ``data``.
        data: folder-contract root, or (with ``labels``) any folder with the photos.
        split: of the root whose true masks are written.
        selection: which labels; counts what it leaves out.
        with_photos: find the photos, and compare their sizes with those of the labels.

    Raises:
        DataError: unreadable files, names that are not clear, photos that are missing or of another
            size; all photos at once.
        ValueError: something needed is not given.
    """
    if data is not None and not data.is_dir():
        raise DataError("--data: is not a folder", data)
    if labels is not None:
        coco, source = read_coco(labels), labels
    elif data is None:
        raise ValueError("give --labels (a COCO json), or --data (a root with true masks)")
    else:
        coco, source = true_masks(data, split)
    label_set = _label_set(coco, source, selection)
    if selection.images is not None:
        label_set = _chosen(label_set, selection.images, source)
    label_set = _selected(label_set, selection)
    if not with_photos:
        return label_set
    if data is None:
        raise ValueError("--data is needed: a root, or the folder of the photos")
    return _with_photos(label_set, data, source)


def true_masks(root: Path, split: str) -> tuple[dict[str, Any], Path]:
    """The true masks of a split as a COCO dict, and the file or folder that they come from.

    Raises:
        DataError: the root has no masks of an image.
    """
    folder = DatasetFolder(root)
    json_file = Path(folder.ground_truth_json(split))
    if json_file.is_file():
        return read_coco(json_file), json_file
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image_id in enumerate(read_split(root, split), 1):
        files = folder.mask_files(image_id)
        photo = find_image(root, image_id)
        if photo is None or not all(Path(file).is_file() for file in files):
            missing = "no image" if photo is None else "no true masks"
            where = f"{files[0]}, {files[1]}" if photo else folder.image_file(image_id, "")
            message = f"split {split}: {missing} of '{image_id}' ({where}, or {json_file})"
            raise DataError(message, root)
        instance_map, _, classes = read_instances(*files)
        height, width = instance_map.shape
        name = Path(photo).name
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        first = len(annotations) + 1
        annotations += coco_annotations(instance_map, classes, number, first)
    categories = coco_categories(read_class_names(root))
    return {"images": images, "annotations": annotations, "categories": categories}, Path(root)


def _label_set(coco: dict[str, Any], source: Path, selection: Selection) -> LabelSet:
    categories = sorted(coco["categories"], key=lambda category: category["id"])
    names = [category["name"] for category in categories]
    for name in names:
        if mistake := name_mistake(name):
            raise DataError(mistake, source)
    class_of = {category["id"]: index for index, category in enumerate(categories)}
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in coco["annotations"]:
        by_image[entry["image_id"]].append(entry)
    if selection.score_threshold > 0 and not any("score" in a for a in coco["annotations"]):
        raise ValueError(f"--score-threshold has no effect: {source} has no scores")
    images = []
    for image in coco["images"]:
        size = (image["height"], image["width"])
        objects = [
            LabelledObject(class_of[e["category_id"]], e["segmentation"], size, _score(e), e)
            for e in by_image[image["id"]]
        ]
        images.append(LabelledImage(_safe_name(image, source), None, size, objects, image))
    counts = Counter(unicodedata.normalize("NFC", image.name) for image in images)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"image '{twice[0]}' occurs {counts[twice[0]]} times", source)
    other = {k: v for k, v in coco.items() if k not in ("images", "annotations")}
    return LabelSet(names, images, other)


def _score(entry: dict[str, Any]) -> float | None:
    score = entry.get("score")
    is_number = isinstance(score, int | float) and math.isfinite(score)
    return float(score) if is_number else None  # type: ignore[arg-type]


def _selected(labels: LabelSet, selection: Selection) -> LabelSet:
    """The objects that are written, of images that are."""
    images = [
        replace(image, objects=[item for item in image.objects if _is_kept(item, selection)])
        for image in labels.images
    ]
    return replace(labels, images=images)


def _is_kept(item: LabelledObject, selection: Selection) -> bool:
    """Whether an object is written; if not, the selection counts why."""
    why = ""
    if item.entry.get("iscrowd", 0):
        why = "crowd regions"
    elif item.score is not None and item.score < selection.score_threshold:
        why = f"objects under the score {selection.score_threshold:g}"
    elif selection.min_area > 1 and int(coco_mask.area(item.rle)) < selection.min_area:
        why = f"objects under {selection.min_area} pixels"
    if why:
        selection.left_out[why] += 1
    return not why


def _safe_name(image: dict[str, Any], source: Path) -> str:
    """The path of an image with "/", inside of its folder."""
    name = image["file_name"].replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or re.match(r"[A-Za-z]:/", name) or ".." in parts or not parts:
        message = f"image file_name '{image['file_name']}' is not a path inside a folder of images"
        raise DataError(f"{message}; write it relative to that folder", source)
    if any(not character.isprintable() for character in name):
        raise DataError(f"image file_name {ascii(name)} holds control characters", source)
    return str(PurePosixPath(name))


def _chosen(labels: LabelSet, file: Path, source: Path) -> LabelSet:
    """The images that a list names, in its order."""
    known: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in labels.images:
        stem = str(PurePosixPath(image.name).with_suffix(""))
        for key in {_key(image.name), _key(stem)}:
            known[key].append(image)
    problems: list[DataError] = []
    chosen: dict[str, LabelledImage] = {}
    for number, line in enumerate(read_lines(file, reporter(file, None)) or [], 1):
        if not line.strip():
            continue
        found = known.get(_key(line.strip()), [])
        if len(found) == 1:
            chosen[found[0].name] = found[0]
        else:
            several = ", ".join(image.name for image in found)
            what = f"stands for several: {several}" if found else f"is not in {source}"
            problems.append(DataError(f"image '{line.strip()}' {what}", file, number))
    if problems:
        raise join_errors(problems)
    if not chosen:
        raise DataError("is empty; the name of one image per line is expected", file)
    return replace(labels, images=list(chosen.values()))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _with_photos(labels: LabelSet, data: Path, source: Path) -> LabelSet:
    folder = Path(DatasetFolder(data).image_folder)
    finder = PhotoFinder(folder if folder.is_dir() else data)
    problems: list[DataError] = []
    images = [_with_photo(image, finder, source, problems) for image in labels.images]
    if problems:
        raise join_errors(problems)
    return replace(labels, images=images)


def _with_photo(
    image: LabelledImage, finder: PhotoFinder, source: Path, problems: list[DataError]
) -> LabelledImage:
    path = finder.find(Row(image.name, (), None, source))
    if isinstance(path, str):
        problems.append(DataError(path, source))
        return image
    try:
        size = read_image_size(path)
    except DataError as error:
        problems.append(error)
        return image
    if size != image.size:
        found, stated = (f"{height} x {width}" for height, width in (size, image.size))
        message = f"has {found} pixels (height x width), but was labelled at {stated}"
        problems.append(DataError(message, path))
    return replace(image, path=path)
