"""Names of data sets: from a string in DATASETS.TRAIN or DATASETS.TEST to Detectron2's catalogs.

A name becomes an entry in ``DatasetCatalog`` (dataset dicts) and in ``MetadataCatalog`` (classes,
paths). Accepted names:

- ``folder:ROOT:SPLIT``: a root in the folder contract (``datasets/README.md``);
- ``coco:JSON:IMAGE_DIR``: a COCO JSON with instances, and the folder of its images (paths may hold
  colons: what exists on the disk decides how a name is read);
- ``voc2012_wsis_train``, ... (BUILTIN_DATASETS): roots under ``$DETECTRON2_DATASETS``;
- any name that is registered already.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from math import ceil
from typing import Any, Literal

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from bestie.data.file_findings import FileFindings, read_coco_summary
from bestie.formats import (
    POINT_FOLDERS,
    DataError,
    DatasetFolder,
    find_image,
    join_errors,
    read_class_names,
    read_image_labels,
    read_split,
)

__all__ = [
    "BUILTIN_DATASETS",
    "POINT_FOLDERS",
    "categories_mistake",
    "dataset_name",
    "ground_truth_json",
    "images_by_name",
    "load_folder",
    "parse_name",
    "register_builtin_datasets",
    "register_dataset",
    "sample_dicts",
]

logger = logging.getLogger(__name__)

# Name -> (root under $DETECTRON2_DATASETS, split). The roots are the official downloads after
# datasets/prepare_voc.py and prepare_coco.py.
BUILTIN_DATASETS = {
    "voc2012_wsis_train": ("VOC2012", "train_aug"),
    "voc2012_wsis_val": ("VOC2012", "val"),
    "coco2017_wsis_train": ("coco2017_wsis", "train2017"),
    "coco2017_wsis_val": ("coco2017_wsis", "val2017"),
}
# Fields of this project in the annotations of a COCO JSON: a click [x, y], a rough mask next to the
# true one, and the scores of a label.
EXTRA_KEYS = ["point", "rough", "score", "class_score"]


def register_dataset(name: str) -> None:
    """Register a data set by its name; does nothing if it is registered already.

    Its metadata then holds ``thing_classes``, ``thing_dataset_id_to_contiguous_id``,
    ``image_root``, ``evaluator_type`` "bestie", ``json_file`` (COCO ground truth, if there is),
    and for folder-contract roots ``root`` and ``split``.

    Raises:
        ValueError: a name of no accepted form (DataError: its files are missing or broken).
    """
    if name in DatasetCatalog.list():
        return
    kind, first, second = parse_name(name)
    if kind == "folder":
        loader, metadata = _open_folder(name, first, second)
    else:
        loader, metadata = _open_coco(name, first, second)
    DatasetCatalog.register(name, loader)
    MetadataCatalog.get(name).set(evaluator_type="bestie", **metadata)


def register_builtin_datasets() -> None:
    """Register the built-in data sets whose folders exist and are complete."""
    for name in BUILTIN_DATASETS:
        if os.path.isdir(parse_name(name)[1]):
            try:
                register_dataset(name)
            except DataError as error:
                logger.info("Built-in data set %s is not usable: %s", name, error)


def dataset_name(
    kind: Literal["folder", "coco"], first: str | os.PathLike, second: str | os.PathLike
) -> str:
    """The name that :func:`parse_name` splits into these parts.

    Args:
        kind: "folder" or "coco".
        first: root, or json; it need not exist yet.
        second: name of the split, or folder of the images.

    Raises:
        ValueError: because of a colon in a path, the name would also be read as other files, which
            exist.
    """
    given = (os.fspath(first), os.fspath(second))
    name = f"{kind}:{given[0]}:{given[1]}"
    others = [pair for pair in _pairs(name) if pair != given and all(_which_exist(kind, *pair))]
    if others:
        raise _ambiguous(name, [given, *others])
    return name


def parse_name(name: str) -> tuple[str, str, str]:
    """Split the name of a data set into ("folder", root, split) or ("coco", json, image folder).

    Paths may contain colons: of all places where the name can be split, the one counts whose files
    exist. If both parts exist for no split, one for which the folder exists is taken, so that the
    message that follows names what is missing in it.

    Raises:
        ValueError: a name of neither form, nor a built-in one; or one that can be read in two ways
            because the files of both exist.
    """
    if name in BUILTIN_DATASETS:
        folder, split = BUILTIN_DATASETS[name]
        return "folder", os.path.join(os.getenv("DETECTRON2_DATASETS", "datasets"), folder), split
    kind, pairs = name.partition(":")[0], _pairs(name)
    if kind not in ("folder", "coco") or not pairs:
        raise ValueError(
            f"data set '{name}' is not known; accepted are folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR, "
            f"{', '.join(BUILTIN_DATASETS)} and names that are registered already"
        )
    complete = [pair for pair in pairs if all(_which_exist(kind, *pair))]
    if len(complete) > 1:
        raise _ambiguous(name, complete)
    partial = [pair for pair in pairs if any(_which_exist(kind, *pair))]
    return kind, *(complete or partial or pairs)[-1]


def _pairs(name: str) -> list[tuple[str, str]]:
    """All ways to split what follows the kind in a name."""
    rest = name.partition(":")[2]
    pairs = [(rest[:i], rest[i + 1 :]) for i, letter in enumerate(rest) if letter == ":"]
    return [(first, second) for first, second in pairs if first and second]


def _ambiguous(name: str, pairs: list[tuple[str, str]]) -> ValueError:
    readings = "; or ".join(f"{first!r} with {second!r}" for first, second in pairs)
    return ValueError(
        f"data set '{name}' can be read in {len(pairs)} ways: {readings}. Rename one of the "
        "folders, or name it by a link without a colon"
    )


def _which_exist(kind: str, first: str, second: str) -> tuple[bool, bool]:
    """Whether the two parts of a name exist: root and split, or json and folder of images."""
    if kind == "folder":
        split = DatasetFolder(first).split_file(second)
        return os.path.isdir(first), os.path.isfile(split)
    return os.path.isfile(first), os.path.isdir(second)


def _open_folder(name: str, root: str, split: str) -> tuple[Callable, dict[str, Any]]:
    if not os.path.isdir(root):
        hint = "; built-in data is expected under $DETECTRON2_DATASETS (see datasets/README.md)"
        raise DataError(
            f"root of data set '{name}' does not exist{hint * (name in BUILTIN_DATASETS)}", root
        )
    errors: list[DataError] = []
    class_names = read_class_names(root, errors)
    read_split(root, split, errors)
    if errors:
        raise errors[0] if len(errors) == 1 else join_errors(errors)
    metadata = {
        "thing_classes": class_names,
        "thing_dataset_id_to_contiguous_id": {k + 1: k for k in range(len(class_names))},
        "root": root,
        "split": split,
        "image_root": DatasetFolder(root).image_folder,
    }
    if os.path.isfile(ground_truth_json(root, split)):
        metadata["json_file"] = ground_truth_json(root, split)
    return partial(load_folder, root, split), metadata


def _open_coco(name: str, json_file: str, image_root: str) -> tuple[Callable, dict[str, Any]]:
    if not os.path.isdir(image_root):
        raise DataError(f"image folder of data set '{name}' does not exist", image_root)
    summary = read_coco_summary(json_file)
    categories = sorted(summary["categories"], key=lambda category: category["id"])
    metadata = {
        "thing_classes": [category["name"] for category in categories],
        "thing_dataset_id_to_contiguous_id": {c["id"]: k for k, c in enumerate(categories)},
        "image_root": image_root,
        "json_file": json_file,
    }
    return partial(_load_coco, name, json_file, image_root), metadata


def sample_dicts(names: Sequence[str], number: int) -> list[dict[str, Any]]:
    """Dataset dicts of about ``number`` images of registered data sets, evenly spaced.

    Of roots in the folder contract, only these are made.

    Raises:
        DataError: as for :func:`load_folder`.
    """
    roots: dict[str, tuple[str, str]] = {}
    others: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        metadata = MetadataCatalog.get(name)
        if hasattr(metadata, "root") and hasattr(metadata, "split"):
            roots[name] = metadata.root, metadata.split
        else:
            others[name] = DatasetCatalog.get(name)
    total = sum(len(read_split(*root)) for root in roots.values()) + sum(map(len, others.values()))
    every = max(1, ceil(total / number))
    return [
        record
        for name in names
        for record in (load_folder(*roots[name], every) if name in roots else others[name][::every])
    ]


def load_folder(root: str, split: str, every: int = 1) -> list[dict[str, Any]]:
    """Dataset dicts of one split of a folder-contract root, in the order of the split file.

    Besides Detectron2's ``file_name``, ``image_id``, ``height`` and ``width``, each holds
    ``root``, ``image_name`` (its id in the root), ``semantic_map_file`` and ``points_files``
    ({folder: path}) as in the folder contract, whether or not they exist, ``image_labels`` (sorted
    class ids) where the root has tags, and ``instance_file`` and ``class_file`` where it has
    ground-truth masks. ``image_id`` is that of ``annotations/instances_<split>.json``, or without
    it the position in the split, from 1.

    Args:
        root: in the folder contract.
        split: of the root.
        every: only the first of so many images each.

    Raises:
        DataError: unreadable lists, a missing image, a json that does not list an image or whose
            categories are not those of ``classes.txt``.
    """
    ids, class_names = read_split(root, split), read_class_names(root)
    tags = read_image_labels(root, class_names, ids)
    json_images = _read_json_images(root, split, class_names)
    files = FileFindings()
    dicts = []
    for position, image_name in islice(enumerate(ids, 1), 0, None, every):
        file_name = find_image(root, image_name)
        if file_name is None:
            path = DatasetFolder(root).image_file(image_name, "")
            raise DataError("image does not exist (.jpg or .png)", path)
        record: dict[str, Any] = {"root": root, "image_name": image_name, "image_id": position}
        record["file_name"] = file_name
        if json_images is None:
            record["height"], record["width"] = files.image_size(file_name)
        elif image_name in json_images:
            image = json_images[image_name]
            record.update(image_id=image["id"], height=image["height"], width=image["width"])
        else:
            raise DataError(
                f"does not list the image '{image_name}'", ground_truth_json(root, split)
            )
        if image_name in tags:
            record["image_labels"] = tags[image_name]
        record.update(_label_files(root, image_name))
        dicts.append(record)
    files.save()
    return dicts


def _label_files(root: str, image_name: str) -> dict[str, Any]:
    folder = DatasetFolder(root)
    files: dict[str, Any] = {
        "semantic_map_file": folder.map_file(image_name),
        "points_files": {
            points: folder.points_file(image_name, points) for points in POINT_FOLDERS.values()
        },
    }
    masks = dict(zip(("instance_file", "class_file"), folder.mask_files(image_name), strict=True))
    if all(os.path.isfile(path) for path in masks.values()):
        files.update(masks)
    return files


def _read_json_images(root: str, split: str, class_names: list[str]) -> dict[str, dict] | None:
    path = ground_truth_json(root, split)
    if not os.path.isfile(path):
        return None
    coco = read_coco_summary(path)
    mistake = categories_mistake(coco, class_names)
    if mistake:
        raise DataError(mistake, path)
    return images_by_name(coco)


def ground_truth_json(root: str | os.PathLike, split: str) -> str:
    """Path of the COCO ground truth of a split; the file need not exist."""
    return DatasetFolder(root).ground_truth_json(split)


def categories_mistake(coco: dict[str, Any], class_names: list[str]) -> str | None:
    """How the categories of a root's json differ from ``classes.txt``, ids counting from 1."""
    found = {category["id"]: category["name"] for category in coco["categories"]}
    accepted = dict(enumerate(class_names, 1))
    if found == accepted:
        return None
    differing = [key for key in accepted | found if found.get(key) != accepted.get(key)]
    shown, more = differing[:5], ", ..." if len(differing) > 5 else ""
    return (
        "its categories are not those of classes.txt with ids from 1: "
        f"found {{{_names(shown, found)}{more}}}, accepted {{{_names(shown, accepted)}{more}}}"
    )


def _names(ids: list[int], names: dict[int, str]) -> str:
    return ", ".join(f"{key}: {names.get(key, 'none')}" for key in ids)


def images_by_name(coco: dict[str, Any]) -> dict[str, dict]:
    """The image entries of a root's json by their ids in the root (the stems of their files)."""
    return {os.path.splitext(image["file_name"])[0]: image for image in coco["images"]}


def _load_coco(name: str, json_file: str, image_root: str) -> list[dict[str, Any]]:
    dicts = load_coco_json(json_file, image_root, name, extra_annotation_keys=EXTRA_KEYS)
    names = _image_names([record["file_name"] for record in dicts], image_root)
    for record, image_name in zip(dicts, names, strict=True):
        record["image_name"] = image_name
        objects = (entry for entry in record["annotations"] if not entry.get("iscrowd", 0))
        record["image_labels"] = sorted({entry["category_id"] for entry in objects})
    return dicts


def _image_names(files: list[str], image_root: str) -> list[str]:
    """The stem of each file; where several have it, the folders in front: "day1/a.png" -> day1_a.

    Raises:
        DataError: two files get the same name nevertheless.
    """
    stems = [os.path.splitext(os.path.basename(file))[0] for file in files]
    counts = Counter(stems)
    names = [
        stem
        if counts[stem] == 1
        else os.path.splitext(os.path.relpath(file, image_root))[0].replace(os.sep, "_")
        for stem, file in zip(stems, files, strict=True)
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"several images have the name '{twice[0]}' (folders joined by _, no suffix)"
        raise DataError(f"{message}; names of images must differ", image_root)
    return names
