import logging

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.evaluation.coco import build_coco_evaluator, coco_average_precision, load_truth
from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.methods.bestie.baseline import labels_from_components
from tests.conftest import shared_data
from tests.evaluation.tiny_data import OBJECTS, instances_of, labels_of, write_root

CATEGORIES = {0: 1, 1: 2}


def json_of(name: str) -> str:
    return MetadataCatalog.get(name).json_file


def run_evaluator(name: str, predicted: dict, max_detections: int = 200) -> dict:
    evaluator = build_coco_evaluator(name, max_detections)
    evaluator.reset()
    for image_id, instances in predicted.items():
        evaluator.process([{"image_id": image_id}], [{"instances": instances}])
    return evaluator.evaluate()["segm"]


def test_perfect_labels_score_100(tmp_path):
    name = write_root(tmp_path)
    labels = {101 + i: labels_of(boxes) for i, boxes in enumerate(OBJECTS)}
    found = coco_average_precision(load_truth(json_of(name)), labels, CATEGORIES)
    assert found == pytest.approx({"AP": 100, "AP50": 100, "AP75": 100})


def test_no_labels_score_0(tmp_path):
    name = write_root(tmp_path)
    found = coco_average_precision(load_truth(json_of(name)), {101: labels_of([])}, CATEGORIES)
    assert found == {"AP": 0, "AP50": 0, "AP75": 0}


def test_evaluator_of_detectron2_agrees(tmp_path):
    name = write_root(tmp_path)
    noisy = [
        [(c, t, left, bottom, right - 2) for c, t, left, bottom, right in boxes]
        + [(0, 9, 15, 12, 20)]
        for boxes in OBJECTS
    ]
    scores = [np.linspace(0.9, 0.1, len(boxes)).tolist() for boxes in noisy]
    predicted = {
        101 + i: instances_of(*both) for i, both in enumerate(zip(noisy, scores, strict=True))
    }
    labels = {image_id: LabelledMasks.from_instances(p) for image_id, p in predicted.items()}
    own = coco_average_precision(load_truth(json_of(name)), labels, CATEGORIES, 200)
    theirs = run_evaluator(name, predicted)
    assert 0 < own["AP"] < own["AP50"] < 100
    assert own == pytest.approx({key: theirs[key] for key in own})


def test_the_limit_of_detections_cuts_the_recall(tmp_path):
    boxes = [(0, y, x, y + 1, x + 1) for y in range(12) for x in range(0, 20, 2)]
    name = write_root(tmp_path, objects=[boxes])
    predicted = {101: instances_of(boxes, np.linspace(1, 0.5, len(boxes)).tolist())}
    assert len(boxes) == 120
    # 101 recall levels, 0 .. 1: those up to 100/120 are reached.
    assert run_evaluator(name, predicted, 100)["AP50"] == pytest.approx(100 * 84 / 101)
    assert run_evaluator(name, predicted, 200)["AP50"] == pytest.approx(100)
    labels = {101: LabelledMasks.from_instances(predicted[101])}
    own = [
        coco_average_precision(load_truth(json_of(name)), labels, CATEGORIES, n) for n in (100, 200)
    ]
    assert [found["AP50"] for found in own] == pytest.approx([100 * 84 / 101, 100])


def test_data_set_without_json_is_refused(tmp_path):
    name = write_root(tmp_path, json=False)
    with pytest.raises(ValueError, match="'coco' needs a COCO json"):
        build_coco_evaluator(name, 100)


def test_baseline_of_real_nuclei_scores_what_is_known():
    root = shared_data("nuclei_mini")
    name = f"folder:{root}:val"
    logging.getLogger("detectron2").setLevel(logging.WARNING)
    register_dataset(name)
    annotations = annotations_by_image(labels_from_components(name, min_area=50))
    labels = {
        record["image_id"]: LabelledMasks.from_annotations(
            annotations[record["image_id"]], (record["height"], record["width"]), {1: 0}
        )
        for record in DatasetCatalog.get(name)
    }
    found = coco_average_precision(load_truth(json_of(name)), labels, {0: 1}, max_detections=200)
    assert found["AP50"] == pytest.approx(42.5, abs=0.05)
