"""Labels to export: photos on the disk and a COCO json that names them."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import yaml
from PIL import Image

from bestie.formats import decode_mask, encode_mask, read_instances

CLASSES = ["cat", "sports ball", "犬 & <co>"]
# Image -> objects: mask, class, score.
Objects = list[tuple[np.ndarray, int, float | None]]


def write_scene(
    folder: Path, images: dict[str, Objects], sizes: dict[str, tuple[int, int]]
) -> Path:
    """Write ``folder/photos`` and ``folder/labels.json``; returns the json."""
    entries, annotations = [], []
    for number, (name, objects) in enumerate(images.items(), 1):
        height, width = sizes[name]
        entries.append({"id": number, "file_name": name, "height": height, "width": width})
        photo = folder / "photos" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(photo)
        for mask, class_id, score in objects:
            annotations.append(annotation(mask, class_id, score, number, len(annotations)))
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)]
    content = {"images": entries, "annotations": annotations, "categories": categories}
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def annotation(mask, class_id, score, image_id, number) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [0, 0, 0, 0]
    if len(rows):
        box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    entry = {
        "id": number,
        "image_id": image_id,
        "category_id": class_id + 1,
        "segmentation": encode_mask(mask),
        "area": int(mask.sum()),
        "bbox": [int(side) for side in box],
        "iscrowd": 0,
    }
    return entry if score is None else entry | {"score": score}


# ---- independent readers: name of the image -> (class name, mask) of each object


def read_coco_file(path: Path, photos: Path) -> dict[str, list]:
    content = json.loads(path.read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    images = {i["id"]: i for i in content["images"]}
    found: dict[str, list] = {i["file_name"]: [] for i in content["images"]}
    for entry in content["annotations"]:
        image = images[entry["image_id"]]
        mask = decode_mask(entry["segmentation"], image["height"], image["width"])
        found[image["file_name"]].append((names[entry["category_id"]], mask))
    return found


def read_labelme_folder(folder: Path, photos: Path) -> dict[str, list]:
    found = {}
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text())
        size = (content["imageHeight"], content["imageWidth"])
        groups: dict[Any, list] = {}
        for number, shape in enumerate(content["shapes"]):
            assert shape["shape_type"] == "polygon"
            group = shape["group_id"] if shape["group_id"] is not None else f"single {number}"
            flat = [side for point in shape["points"] for side in point]
            groups.setdefault((group, shape["label"]), []).append(flat)
        photo = path.parent / content["imagePath"]
        assert photo.is_file()
        objects = [(label, decode_mask(flat, *size)) for (_, label), flat in groups.items()]
        found[photo.relative_to(folder).as_posix()] = objects
    return found


def read_cvat_file(folder: Path, photos: Path) -> dict[str, list]:
    found: dict[str, list] = {}
    root = ElementTree.parse(folder / "annotations.xml").getroot()
    for image in root.iter("image"):
        size = (int(image.get("height")), int(image.get("width")))
        objects = found.setdefault(image.get("name"), [])
        assert (folder / "images" / image.get("name")).is_file()
        for shape in image:
            if shape.tag == "polygon":
                points = [p.split(",") for p in shape.get("points").split(";")]
                mask = decode_mask([[float(side) for p in points for side in p]], *size)
            else:
                mask = np.zeros(size, bool)
                left, top, width, height = (
                    int(shape.get(key)) for key in ("left", "top", "width", "height")
                )
                runs = [int(run) for run in shape.get("rle").split(",")]
                values = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
                mask[top : top + height, left : left + width] = values
            objects.append((shape.get("label"), mask))
    return found


def read_label_studio_file(folder: Path, photos: Path) -> dict[str, list]:
    found = {}
    for task in json.loads((folder / "tasks.json").read_text()):
        (name,) = parse_qs(urlsplit(task["data"]["image"]).query)["d"]
        assert (folder / name).is_file()
        objects = []
        for region in task["predictions"][0]["result"]:
            size = (region["original_height"], region["original_width"])
            factors = np.array(size[::-1]) / 100
            points = np.array(region["value"]["points"]) * factors
            (label,) = region["value"]["polygonlabels"]
            objects.append((label, decode_mask([points.reshape(-1).tolist()], *size)))
        found[name.removeprefix("images/")] = objects
    return found


def read_yolo_folder(folder: Path, photos: Path) -> dict[str, list]:
    found = {}
    names = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    for photo in sorted((folder / "images").rglob("*.png")):
        name = photo.relative_to(folder / "images")
        with Image.open(photo) as image:
            width, height = image.size
        objects = []
        for line in (folder / "labels" / name.with_suffix(".txt")).read_text().splitlines():
            number, *shares = line.split()
            points = np.array(shares, float).reshape(-1, 2) * (width, height)
            mask = decode_mask([points.reshape(-1).tolist()], height, width)
            objects.append((names[int(number)], mask))
        found[name.as_posix()] = objects
    return found


def read_mask_root(folder: Path, photos: Path) -> dict[str, list]:
    found = {}
    names = (folder / "classes.txt").read_text().splitlines()
    for line in (folder / "source_files.tsv").read_text().splitlines():
        image_id, name = line.split("\t")
        instances, _, classes = read_instances(
            folder / f"SegmentationObject/{image_id}.png",
            folder / f"SegmentationClass/{image_id}.png",
        )
        found[name] = [(names[c], instances == i) for i, c in enumerate(classes, 1)]
    return found


READERS = {
    "coco": read_coco_file,
    "labelme": read_labelme_folder,
    "cvat": read_cvat_file,
    "label-studio": read_label_studio_file,
    "yolo": read_yolo_folder,
    "masks": read_mask_root,
}
