"""Turn the official PASCAL VOC 2012 download into a folder-contract root, in place.

Adds to ``VOCdevkit/VOC2012`` as downloaded what the contract needs: class names, tags, clicks and
COCO ground truth; with SBD also its masks as PNG and the split ``train_aug`` (10,582 images). Run
it once.

    bestie prepare-voc --root $DETECTRON2_DATASETS/VOC2012 \\
        --sbd benchmark_RELEASE/dataset

What exists is kept: an interrupted run is resumed, and clicks of your own stay.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from bestie import formats
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS, require_files
from bestie.formats.instances import clicks_of_instances, coco_annotations, coco_categories
from bestie.progress import track

__all__ = ["VOC_CLASSES", "main", "prepare_voc"]

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
# Paths of a root, relative to it.
RELATIVE = DatasetFolder("")
VOC_URL = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"
SBD_URL = (
    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
    "benchmark.tgz"
)
VOC_ADVICE = (
    f"Download {VOC_URL}, unpack it and give the folder VOCdevkit/VOC2012 (with JPEGImages in it)"
)
SBD_ADVICE = f"Download {SBD_URL}, unpack it and give the folder benchmark_RELEASE/dataset"


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, prepare the data and print what there is now."""
    default = Path(os.getenv("DETECTRON2_DATASETS", "datasets"), "VOC2012")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, default=default, help="VOCdevkit/VOC2012")
    parser.add_argument("--sbd", type=Path, help="SBD's benchmark_RELEASE/dataset, for train_aug")
    parser.add_argument("--overwrite", action="store_true", help="make existing files again")
    args = parser.parse_args(argv)
    for split, numbers in prepare_voc(args.root, args.sbd, overwrite=args.overwrite).items():
        print(f"{split}: " + ", ".join(f"{number} {what}" for what, number in numbers.items()))
    if args.sbd is None:
        print("without --sbd there is no split train_aug (voc2012_wsis_train needs it)")


def prepare_voc(
    root: Path, sbd: Path | None = None, overwrite: bool = False
) -> dict[str, dict[str, int]]:
    """Add to an official VOC 2012 folder what the folder contract wants.

    Args:
        root: the folder ``VOC2012``; it is added to, the official files stay as they are.
        sbd: the folder ``dataset`` of SBD.
        overwrite: make existing tags, clicks and json files again.

    Returns:
        Split -> numbers of images and instances.

    Raises:
        formats.DataError: the download is broken or incomplete (names everything missing).
    """
    splits = _official_splits(root)
    if sbd is not None:
        splits["train_aug"] = _train_aug(sbd, splits)
    needed = sorted({image_id for ids in splits.values() for image_id in ids})
    require_files(root, _official_files(splits, needed), VOC_ADVICE)
    if sbd is not None:
        masks = set(splits["train"]) | set(splits["val"])
        _convert_sbd(sbd, root, [i for i in splits["train_aug"] if i not in masks])
        DatasetFolder(root).write_split("train_aug", splits["train_aug"])
    DatasetFolder(root).write_class_names(VOC_CLASSES)
    DatasetFolder(root).add_tags(_tags_from_xml(root, needed), overwrite)
    return {split: _add_ground_truth(root, split, ids, overwrite) for split, ids in splits.items()}


# ------------------------------------------------------------------------------- the download


def _official_splits(root: Path) -> dict[str, list[str]]:
    names = [RELATIVE.split_file(split) for split in ("train", "val")]
    require_files(root, names, VOC_ADVICE)
    return {split: formats.read_split(root, split) for split in ("train", "val")}


def _official_files(splits: dict[str, list[str]], ids: list[str]) -> Iterable[str]:
    for image_id in ids:
        yield RELATIVE.image_file(image_id)
        yield RELATIVE.xml_file(image_id)
    for image_id in (*splits["train"], *splits["val"]):
        yield from RELATIVE.mask_files(image_id)


def _train_aug(sbd: Path, splits: dict[str, list[str]]) -> list[str]:
    """The usual 10,582 training images: those of VOC and of both splits of SBD, less VOC's val."""
    require_files(sbd, ["train.txt", "val.txt"], SBD_ADVICE)
    ids = set(splits["train"])
    for name in ("train.txt", "val.txt"):
        ids |= set((sbd / name).read_text().split())
    return sorted(ids - set(splits["val"]))


def _convert_sbd(sbd: Path, root: Path, ids: list[str]) -> None:
    """Write SBD's masks as VOC's pairs of PNG files; existing ones stay."""
    require_files(sbd, (f"inst/{i}.mat" for i in ids), SBD_ADVICE)
    for image_id in track(ids, "SBD masks"):
        object_png, class_png = map(Path, DatasetFolder(root).mask_files(image_id))
        if object_png.is_file() and class_png.is_file():
            continue
        objects, class_map = read_sbd_instances(sbd / "inst" / f"{image_id}.mat")
        formats.write_semantic_map(class_png, class_map)
        formats.write_semantic_map(object_png, objects)


def read_sbd_instances(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an SBD instance file.

    Returns:
        Instance map and semantic map, (H, W) uint8 each, as in VOC's PNG files.

    Raises:
        formats.DataError: not a file of SBD.
    """
    try:
        truth = loadmat(path, squeeze_me=True, struct_as_record=False)["GTinst"]
        objects, classes = truth.Segmentation, np.atleast_1d(truth.Categories)
    except (MatReadError, NotImplementedError, ValueError, KeyError, AttributeError) as error:
        raise formats.DataError(f"is not an instance file of SBD ({error})", path) from error
    if objects.max(initial=0) > len(classes):
        raise formats.DataError(f"{objects.max()} instances, {len(classes)} classes", path)
    objects = objects.astype(np.uint8)
    return objects, np.append(0, classes).astype(np.uint8)[objects]


# ------------------------------------------------------------------------------- the contract


def _tags_from_xml(root: Path, ids: list[str]) -> dict[str, list[int]]:
    """Class ids of all objects (difficult ones too) of the images' xml files."""
    return {
        image_id: formats.read_xml_labels(DatasetFolder(root).xml_file(image_id), list(VOC_CLASSES))
        for image_id in track(ids, "tags")
    }


def _add_ground_truth(root: Path, split: str, ids: list[str], overwrite: bool) -> dict[str, int]:
    """Write the clicks and the COCO json of a split; border pixels (255) belong to nobody."""
    json_path = Path(DatasetFolder(root).ground_truth_json(split))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in track(ids, f"ground truth {split}"):
        instance_map, _, classes = formats.read_instances(*DatasetFolder(root).mask_files(image_id))
        clicks = Path(DatasetFolder(root).points_file(image_id, CLICKS))
        if overwrite or not clicks.is_file():
            formats.write_points(clicks, clicks_of_instances(instance_map, classes))
        height, width = instance_map.shape
        number = int(image_id.replace("_", ""))
        images.append(
            {"id": number, "file_name": f"{image_id}.jpg", "height": height, "width": width}
        )
        annotations += coco_annotations(
            instance_map, classes, image_id=number, first_id=len(annotations) + 1
        )
    if overwrite or not json_path.is_file():
        coco = {
            "info": {"description": f"PASCAL VOC 2012 {split}, from SegmentationObject"},
            "images": images,
            "annotations": annotations,
            "categories": coco_categories(VOC_CLASSES),
        }
        formats.write_coco(json_path, coco)
    return {"images": len(images), "instances": len(annotations)}
