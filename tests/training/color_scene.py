"""One scene photographed at any size, and a BESTIE that reads it: no training, no luck.

Red is class 0, green class 1. Blue falls from the middle of an object to its rim: the center map.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone, build_model
from PIL import Image
from torch import Tensor, nn

from bestie.data import register_dataset
from bestie.formats import Points, write_points, write_semantic_map
from bestie.methods.bestie.heads import BESTIE_HEADS_REGISTRY
from bestie.training.setup import read_config

# (class, y, x, radius) in pixels of the scene with a longer side of 500; 375 are the shorter one.
# Middles are middles of pixels there, so that each center map has one highest pixel. Two of a class
# touch, two of different classes touch, one is cut off by the border, one is small.
LONGER = 500
OBJECTS = [
    (0, 100.5, 75.5, 40.5),
    (0, 102.5, 155.5, 40.5),
    (1, 125.5, 230.5, 34.5),
    (1, 20.5, 350.5, 46.0),
    (0, 300.5, 410.5, 62.0),
    (1, 275.5, 165.5, 10.5),
]
CONFIG = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: BESTIE
  PIXEL_MEAN: [0.0, 0.0, 0.0]
  PIXEL_STD: [1.0, 1.0, 1.0]
  BACKBONE: {NAME: build_color_backbone}
  BESTIE: {HEAD: ColorHead, SUPERVISION: clicks, CLUSTER: {ENABLED: False}}
INPUT: {FORMAT: RGB, TEST_SIZE: 500, CROP: {ENABLED: True, TYPE: absolute, SIZE: [32, 32]}}
DATALOADER: {NUM_WORKERS: 0}
"""


class ColorBackbone(Backbone):
    """The image itself."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"image": images}

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {"image": ShapeSpec(channels=3, stride=1)}


@BACKBONE_REGISTRY.register()
def build_color_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ColorBackbone:
    return ColorBackbone()


@BESTIE_HEADS_REGISTRY.register()
class ColorHead(nn.Module):
    """Class logits, center and offset maps of the colors."""

    in_features = ("image",)

    def __init__(self, cfg: CfgNode, input_shape: dict[str, ShapeSpec]):
        super().__init__()
        self.background = nn.Parameter(torch.tensor(127.0))
        self.widest = 0

    def forward(self, features: dict[str, Tensor], size: tuple) -> tuple[Tensor, Tensor, Tensor]:
        colors = features["image"]
        assert tuple(colors.shape[-2:]) == tuple(size)
        self.widest = max(self.widest, *size)
        background = self.background.expand_as(colors[:, :1])
        semantic = torch.cat([background, colors[:, :2]], 1) / 10
        center = colors[:, 2:].expand(-1, 2, -1, -1) / 255
        return semantic, center, torch.zeros_like(colors[:, :2])


def size_of(longer: int, portrait: bool = False) -> tuple[int, int]:
    """(height, width) of the scene."""
    size = (round(longer * 0.75), longer)
    return size[::-1] if portrait else size


def draw_scene(longer: int, portrait: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 photo and (H, W) uint8 map of its objects, 1 the first."""
    photo = np.zeros((*size_of(longer), 3), np.uint8)
    instances = np.zeros(photo.shape[:2], np.uint8)
    y, x = (np.arange(side, dtype=np.float32) + 0.5 for side in photo.shape[:2])
    for number, (class_id, *place) in enumerate(OBJECTS, 1):
        center_y, center_x, radius = (value * longer / LONGER for value in place)
        rows = slice(max(0, int(center_y - radius)), int(center_y + radius) + 1)
        columns = slice(max(0, int(center_x - radius)), int(center_x + radius) + 1)
        distance = np.hypot((y[rows] - center_y)[:, None], (x[columns] - center_x)[None]) / radius
        inside = distance < 1
        photo[rows, columns, class_id][inside] = 255
        photo[rows, columns, 2][inside] = 250 - 200 * distance[inside]
        instances[rows, columns][inside] = number
    if portrait:
        return cv2.rotate(photo, cv2.ROTATE_90_CLOCKWISE), cv2.rotate(
            instances, cv2.ROTATE_90_CLOCKWISE
        )
    return photo, instances


def write_scenes(root: Path, sizes: list[int], portrait: bool = False) -> str:
    """A root with the scene at each size, masks and clicks; the name of its data set."""
    (root / "JPEGImages").mkdir(parents=True)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "classes.txt").write_text("red\ngreen\n")
    names = [f"px{size}" for size in sizes]
    (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(names) + "\n")
    (root / "image_labels.txt").write_text("".join(f"{name} 0 1\n" for name in names))
    classes = np.array([class_id for class_id, *_ in OBJECTS])
    for name, size in zip(names, sizes, strict=True):
        photo, instances = draw_scene(size, portrait)
        Image.fromarray(photo).save(root / "JPEGImages" / f"{name}.png", compress_level=1)
        write_semantic_map(root / "SegmentationObject" / f"{name}.png", instances)
        class_map = np.concatenate([[0], classes + 1]).astype(np.uint8)[instances]
        write_semantic_map(root / "SegmentationClass" / f"{name}.png", class_map)
        yx = [np.argwhere(instances == k + 1).mean(0).round() for k in range(len(classes))]
        points = Points(np.array(yx), classes, np.ones(len(classes), np.float32))
        write_points(root / "Center_points" / f"{name}.txt", points)
    name = f"folder:{root}:train"
    register_dataset(name)
    return name


def scene_config(folder: Path, dataset: str, *options: object) -> CfgNode:
    """Config of the network with its weights in a file, in the folder of a training."""
    (folder / "config.yaml").write_text(CONFIG)
    weights = folder / "model_final.pth"
    overrides = ["DATASETS.TRAIN", f"('{dataset}',)", "MODEL.WEIGHTS", str(weights), *options]
    cfg = read_config(str(folder / "config.yaml"), [str(part) for part in overrides])
    torch.save({"model": build_model(cfg).state_dict()}, weights)
    (folder / "config.yaml").write_text(cfg.dump())
    return cfg
