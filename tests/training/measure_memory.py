"""Memory of one process over a 12-megapixel photo with 150 objects and 80 classes.

A script, started by ``test_memory.py``: the peak of a process is known only to itself. Prints MiB
above what the process held when the model had been loaded.
"""

import resource
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.evaluation import inference_on_dataset
from PIL import Image
from torch import Tensor

from bestie.data import build_mapper, build_test_loader, register_dataset
from bestie.evaluation import COCOExporter, VOCInstanceEvaluator
from bestie.evaluation.coco import build_coco_evaluator
from bestie.evaluation.coco_export import coco_labels, label_annotations
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import write_coco, write_semantic_map
from bestie.methods.bestie.heads import BESTIE_HEADS_REGISTRY
from bestie.training.predict import run_demo
from bestie.training.setup import build_model, load_model, read_config
from tests.training.color_scene import CONFIG, ColorHead
from tests.training.test_export import MASK_RCNN

HEIGHT, WIDTH, CLASSES = 3024, 4032, 80
ROWS, COLUMNS = 10, 15  # of objects


@BESTIE_HEADS_REGISTRY.register()
class CrowdHead(ColorHead):
    """80 classes: a place in the image has one, red or not."""

    def forward(self, features: dict[str, Tensor], size: tuple) -> tuple[Tensor, Tensor, Tensor]:
        colors = features["image"]
        y = torch.arange(size[0]) * ROWS // (size[0])
        x = torch.arange(size[1]) * COLUMNS // (size[1])
        class_ids = (y[:, None] * COLUMNS + x) % CLASSES
        semantic = colors.new_zeros(1, CLASSES + 1, *size)
        semantic[:, 0] = self.background / 10
        semantic[0].scatter_(0, class_ids[None] + 1, colors[0, :1] / 10)
        center = (colors[:, 2:] / 255).repeat(1, CLASSES, 1, 1)
        return semantic, center, torch.zeros_like(colors[:, :2])


def write_crowd(root: Path) -> str:
    """A root with the photo, its objects as masks and as COCO json."""
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("".join(f"class {k}\n" for k in range(CLASSES)))
    (root / "ImageSets/Segmentation/train.txt").write_text("photo\n")
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    objects = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number in range(ROWS * COLUMNS):
        row, column = divmod(number, COLUMNS)
        center = (round((column + 0.5) * WIDTH / COLUMNS), round((row + 0.5) * HEIGHT / ROWS))
        for radius, color in ((115, (255, 0, 60)), (60, (255, 0, 120)), (8, (255, 0, 250))):
            cv2.circle(photo, center, radius, color, -1)
        cv2.circle(objects, center, 115, number + 1, -1)
    Image.fromarray(photo).save(root / "JPEGImages/photo.jpg", quality=95)
    write_semantic_map(root / "SegmentationObject/photo.png", objects)
    classes = np.arange(ROWS * COLUMNS) % CLASSES
    class_map = np.concatenate([[0], classes + 1]).astype(np.uint8)[objects]
    write_semantic_map(root / "SegmentationClass/photo.png", class_map)
    record = {"image_id": 1, "file_name": "photo.jpg", "height": HEIGHT, "width": WIDTH}
    labels = label_annotations(LabelledMasks.from_label_map(objects, classes))
    names = (root / "classes.txt").read_text().split("\n")[:-1]
    coco = coco_labels([record], [labels], names, "", "circles")
    write_coco(root / "annotations/instances_train.json", coco)
    return f"folder:{root}:train"


def crowd_config(folder: Path, dataset: str, kind: str) -> CfgNode:
    """Config of "bestie" (reads the colors) or "maskrcnn" (untrained, 150 detections)."""
    text = CONFIG.replace("ColorHead", "CrowdHead").replace("TEST_SIZE: 500", "TEST_SIZE: 640")
    path = folder / f"{kind}.yaml"
    path.write_text(text if kind == "bestie" else MASK_RCNN)
    options = ["DATASETS.TRAIN", f"('{dataset}',)", "MODEL.WEIGHTS", str(folder / f"{kind}.pth")]
    options += ["TEST.DETECTIONS_PER_IMAGE", str(ROWS * COLUMNS)]
    if kind == "maskrcnn":
        options += ["INPUT.MIN_SIZE_TEST", "480", "INPUT.MAX_SIZE_TEST", "640"]
    cfg = read_config(str(path), options)
    torch.manual_seed(0)
    model = build_model(cfg)
    if kind == "maskrcnn":
        with torch.no_grad():
            model.roi_heads.mask_head.predictor.bias.fill_(20.0)
            model.roi_heads.box_predictor.cls_score.weight.mul_(30.0)
    torch.save({"model": model.state_dict()}, path.with_suffix(".pth"))
    return cfg


def peak() -> float:
    """Most memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    """Memory that this process holds now, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(folder: Path, dataset: str, kind: str) -> None:
    register_dataset(dataset)
    cfg = crowd_config(folder, dataset, kind)
    model, mapper = load_model(cfg), build_mapper(cfg, is_train=False)
    start, number = resident(), 0
    evaluators = {
        "export": COCOExporter(dataset, folder / f"{kind}.json", use_tags=False),
        "voc": VOCInstanceEvaluator(dataset),
        "coco": build_coco_evaluator(dataset, 200),
    }
    for name, evaluator in evaluators.items():
        loader = build_test_loader(cfg, dataset, mapper)
        results = inference_on_dataset(model, loader, evaluator)
        number = results["labels"].labels if name == "export" else number
        print(name, round(peak() - start))
    photo = Path(DatasetCatalog.get(dataset)[0]["file_name"])
    run_demo(cfg, [photo], folder / "demo", min_score=0.0)
    print("demo", round(peak() - start))
    print("instances", number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
