"""Memory of one process over a 12-megapixel photo with 150 clicks and 80 classes.

A script, started by ``test_memory.py``: the peak of a process is known only to itself. Prints MiB
above what the process held when the models had been loaded.
"""

import sys
from pathlib import Path

import torch
from detectron2.evaluation import inference_on_dataset

from bestie.data import build_mapper, build_test_loader, register_dataset
from bestie.evaluation import COCOExporter
from bestie.formats import Points, write_points
from bestie.training.setup import build_model, merge_config
from tests.training.measure_memory import COLUMNS, HEIGHT, ROWS, WIDTH, peak, resident

SOLO, REFINER = "configs/quick/shapes_solo.yaml", "configs/quick/shapes_refiner.yaml"
CLASSES = 80
# Untrained networks whose masks all stay; those of SOLO cover most of the photo: the worst case.
TEACHER = ["MODEL.META_ARCHITECTURE", "PromptedSOLO", "MODEL.SOLO.NUM_CLASSES", str(CLASSES)]
TEACHER += ["MODEL.SOLO.TEST.SCORE_THRESH", "0.0", "MODEL.SOLO.TEST.MASK_THRESH", "0.4"]
TEACHER += ["MODEL.SOLO.TEST.NMS", "none", "TEST.DETECTIONS_PER_IMAGE", str(ROWS * COLUMNS)]


def write_clicks(root: Path) -> None:
    """A click in the middle of each object of ``tests.training.measure_memory.write_crowd``."""
    number = torch.arange(ROWS * COLUMNS)
    rows, columns = number // COLUMNS, number % COLUMNS
    yx = torch.stack([(rows + 0.5) * HEIGHT / ROWS, (columns + 0.5) * WIDTH / COLUMNS], 1).floor()
    points = Points(yx.numpy(), (number % CLASSES).numpy(), torch.ones(len(number)).numpy())
    write_points(root / "Center_points/photo.txt", points)


def main(folder: Path, dataset: str) -> None:
    root = Path(dataset.split(":")[1])
    write_clicks(root)
    register_dataset(dataset)
    size = ["INPUT.TEST_SIZE", "640", "DATALOADER.NUM_WORKERS", "0"]
    settings = {
        "plain": (SOLO, [*TEACHER, *size]),
        "points": (
            SOLO,
            [
                *(*TEACHER, *size, "MODEL.POINTWSSIS.PROMPT", "points"),
                *("INPUT.DATASET_MAPPER_NAME", "PromptMapper"),
            ],
        ),
        "refined": (REFINER, ["MODEL.REFINER.NUM_CLASSES", str(CLASSES), *size]),
    }
    configs = {name: merge_config(*given) for name, given in settings.items()}
    torch.manual_seed(0)
    models = {name: build_model(cfg).eval() for name, cfg in configs.items()}
    with torch.no_grad():
        models["refined"].network.predictor.bias[1] = 0.1  # everything is foreground
    start = resident()
    for name, cfg in configs.items():
        path = folder / f"{name}.json"
        loader = build_test_loader(cfg, dataset, build_mapper(cfg, is_train=False))
        exporter = COCOExporter(dataset, path, use_tags=False)
        labels = inference_on_dataset(models[name], loader, exporter)["labels"].labels
        print(f"{name} {labels} labels, peak", round(peak() - start))
        if name == "points":
            dataset = f"coco:{path}:{root}/JPEGImages"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
