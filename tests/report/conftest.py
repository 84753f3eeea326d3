"""A pipeline's output folder of a few bytes a stage, on the tiny root."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.evaluation.coco_export import label_annotations
from bestie.formats import write_coco
from bestie.formats.ledger import write_ledger_entry
from bestie.training.setup import default_config
from bestie.visualization import save_png
from tests.evaluation.tiny_data import OBJECTS, coco_of, labels_of, write_root

STAGES = (
    *("check", "classifier", "cues", "maps", "bestie"),
    *("labels", "quality", "maskrcnn", "evaluation", "report"),
)
QUALITY = {
    "labels": 6,
    "objects": 6,
    "true_positives": 3,
    "precision": 50.0,
    "recall": 50.0,
    "matched_iou": 80.0,
    "best_iou": 60.0,
}


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_config(folder: Path, **values: Any) -> None:
    """config.yaml of a training; the names of the keys have "__" for a dot."""
    cfg = default_config()
    settings = {key.replace("__", "."): value for key, value in values.items()}
    cfg.merge_from_list([part for pair in settings.items() for part in pair])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(cfg.dump())


def write_trainings(run: Path, name: str, root: Path) -> None:
    """Configs and logs: everything from this run's own classifier, from random weights."""
    write_config(
        run / "classifier",
        DATASETS__TRAIN=(name,),
        DATASETS__TEST=(),
        MODEL__BACKBONE__NAME="build_vgg16_backbone",
    )
    write_config(
        run / "bestie",
        DATASETS__TRAIN=(name,),
        DATASETS__TEST=(name,),
        MODEL__BACKBONE__NAME="build_timm_backbone",
        INPUT__POINTS_DIR=str(run / "cues"),
        INPUT__MAPS_DIR=str(run / "maps"),
    )
    write_config(
        run / "maskrcnn",
        DATASETS__TRAIN=(f"coco:{run}/labels/labels.json:{root}/JPEGImages",),
        DATASETS__TEST=(name,),
        MODEL__BACKBONE__NAME="build_timm_fpn_backbone",
        MODEL__TIMM__WEIGHTS=str(run / "bestie/model_final.pth"),
    )
    for stage in ("classifier", "bestie", "maskrcnn"):
        rows = [
            {"iteration": n, "total_loss": 3.0 / n, "loss_a": 2.0 / n, "voc/mAP50": 10.0 * n}
            for n in (1, 2, 3)
        ]
        (run / stage / "metrics.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for stage in ("cues", "maps"):
        tags = {"kind": "tags", "labels": "image tags"}
        entry = {"consumed": [tags], "classifier": tags}
        write_ledger_entry(run / stage, "train", entry)


def write_predictions(path: Path) -> None:
    """Perfect for img0 and img3, half of img1, nothing for img4."""
    found = {101: OBJECTS[0], 102: [(1, 2, 2, 6, 12)], 104: OBJECTS[3]}
    rows = [
        {"image_id": image_id, "score": 0.9}
        | {key: entry[key] for key in ("category_id", "segmentation")}
        for image_id, boxes in found.items()
        for entry in label_annotations(labels_of(boxes))
    ]
    write_json(path, rows)


def write_numbers(run: Path, name: str) -> None:
    """What check, labels, quality and evaluation leave."""
    problem = {"severity": "warning", "file": "a.txt", "line": 3, "message": "an odd point"}
    train = {"images": 5, "images_per_class": {"cat": 2, "dog": 3}, "problems": [problem]}
    write_json(run / "check/dataset.json", {"train": train})
    names = [f"img{number}" for number in range(len(OBJECTS))]
    write_coco(run / "labels/labels.json", coco_of(names, OBJECTS))
    summary = {"images": 5, "images_without_labels": 1, "labels_per_class": {"cat": 3, "dog": 3}}
    summary |= {"instances_per_image": {"0": 1, "1": 4}, "mean_instances": 1.2}
    summary |= {"max_instances": 2, "scores": [0] * 9 + [6]}
    write_json(run / "labels/summary.json", summary)
    score = {"total": QUALITY, "per_class": {"cat": QUALITY}}
    point = {"iteration": 3, "labels": 6, "true_positives": 3, "precision": 50.0, "recall": 50.0}
    point |= {"instances_per_image": 1.2, "coverage": 90.0}
    quality = {"truth": True, "labels": score, "baseline": score, "over_training": [point]}
    write_json(run / "quality/quality.json", quality | {"agreement": {"cues_in_maps": 81.25}})
    metrics = {"voc/mAP50": 61.25, "voc/AP50-cat": 70.5, "voc/AP50-dog": None}
    results = {"dataset": name, "baseline": None, "bestie": metrics, "maskrcnn": metrics}
    write_json(run / "evaluation/results.json", results)


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Name of the data set: img0 .. img4 with ids from 101, split "train"."""
    name = write_root(tmp_path / "root")
    yield name
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)


@pytest.fixture
def run(tmp_path: Path, data: str) -> Path:
    """A finished run."""
    folder = tmp_path / "run"
    write_trainings(folder, data, tmp_path / "root")
    write_numbers(folder, data)
    for stage in ("bestie", "maskrcnn"):
        write_predictions(folder / stage / "inference/coco_instances_results.json")
    save_png(folder / "cues/report/cues.png", np.zeros((8, 8, 3), np.uint8))
    stages = {
        name: {
            "status": "done",
            "reason": "",
            "started": "2030-01-02T03:04:05",
            "seconds": 65.0,
            "peak_memory_mib": 2048.0,
            "command": f"python tools/{name}.py",
            "expected_seconds": None,
        }
        for name in STAGES
    }
    stages["report"] = {"status": "running"}
    manifest = {"version": 1, "command": "python tools/run_pipeline.py", "data": "ROOT"}
    manifest |= {"supervision": "tags", "preset": "quick", "options": ["SEED", "0"]}
    write_json(folder / "manifest.json", manifest | {"stages": stages})
    return folder
