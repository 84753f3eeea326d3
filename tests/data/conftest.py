"""A tiny data root in the folder contract, and a config that trains on it."""

from pathlib import Path

import numpy as np
import pytest
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from bestie.config import add_bestie_config
from bestie.data import register_dataset
from bestie.formats import Points, encode_mask, write_coco, write_points, write_semantic_map

CLASSES = ["disc", "square", "cross"]
HEIGHT, WIDTH = 40, 56
# id -> objects: (class, top, left, side)
IMAGES = {
    "a": [(0, 4, 5, 10), (1, 20, 30, 12)],
    "b": [(1, 2, 2, 9)],
    "c": [(2, 10, 10, 8), (2, 25, 40, 8)],
    "d": [],
}


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))


def write_image(root: Path, image_id: str, objects: list) -> None:
    """Photograph, weak map, points and ground truth of one image of the tiny root."""
    rng = np.random.default_rng(len(objects))
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    semantic = np.zeros((HEIGHT, WIDTH), np.uint8)
    instances = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, (class_id, top, left, side) in enumerate(objects, 1):
        window = slice(top, top + side), slice(left, left + side)
        semantic[window], instances[window] = class_id + 1, number
    (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / "JPEGImages" / f"{image_id}.png")
    for folder, values in {
        "WSSS_maps": semantic,
        "SegmentationClass": semantic,
        "SegmentationObject": instances,
    }.items():
        write_semantic_map(root / folder / f"{image_id}.png", values)
    points = Points(
        np.array([[top + side // 2, left + side // 2] for _, top, left, side in objects]).reshape(
            -1, 2
        ),
        np.array([class_id for class_id, *_ in objects], dtype=np.int64),
        np.ones(len(objects), np.float32),
    )
    for folder in ("Center_points", "Peak_points"):
        write_points(root / folder / f"{image_id}.txt", points)


def ground_truth() -> dict:
    """COCO dict of the tiny root; image ids 10, 20, ..."""
    coco = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k, "name": name} for k, name in enumerate(CLASSES, 1)],
    }
    for number, (image_id, objects) in enumerate(IMAGES.items(), 1):
        coco["images"].append(
            {"id": 10 * number, "file_name": f"{image_id}.png", "height": HEIGHT, "width": WIDTH}
        )
        for class_id, top, left, side in objects:
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[top : top + side, left : left + side] = True
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]) + 1,
                    "image_id": 10 * number,
                    "category_id": class_id + 1,
                    "segmentation": encode_mask(mask),
                    "bbox": [left, top, side, side],
                    "area": side * side,
                    "iscrowd": 0,
                }
            )
    return coco


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A faultless root with the split "train"."""
    root = tmp_path / "root"
    write_lines(root / "classes.txt", *CLASSES)
    write_lines(root / "ImageSets" / "Segmentation" / "train.txt", *IMAGES)
    write_lines(
        root / "image_labels.txt",
        *(" ".join([i, *(str(c) for c, *_ in objects)]) for i, objects in IMAGES.items()),
    )
    for image_id, objects in IMAGES.items():
        write_image(root, image_id, objects)
    write_coco(root / "annotations" / "instances_train.json", ground_truth())
    return root


@pytest.fixture
def cfg(root: Path) -> CfgNode:
    """Config of BESTIE on clicks, on crops of 32 x 48 of the tiny root."""
    cfg = get_cfg()
    add_bestie_config(cfg)
    name = f"folder:{root}:train"
    register_dataset(name)
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (name,)
    cfg.MODEL.BESTIE.NUM_CLASSES = cfg.MODEL.PAM.NUM_CLASSES = len(CLASSES)
    cfg.MODEL.BESTIE.SUPERVISION = "clicks"
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.BASE_SIZE = 0
    cfg.INPUT.CROP.ENABLED = True
    cfg.INPUT.CROP.TYPE = "absolute"
    cfg.INPUT.CROP.SIZE = [32, 48]
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SEED = 7
    yield cfg
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)
