"""Detections per image: the pipeline sets what data needs, and names limits that are too small."""

import json

import numpy as np
import pytest

from bestie.formats import Points, write_points
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.limits import most_objects, too_small_limits
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from bestie.report.results import limits_note
from tests.pipeline.tiny_root import write_tiny_root

LIMIT = "TEST.DETECTIONS_PER_IMAGE"


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def configs(root, options=(), supervision="tags", preset="quick"):
    output = root.parent / "run"
    request = Request(str(root), supervision, output, preset=preset, options=tuple(options))
    return TrainingConfigs(request, open_source(request, root), output)


def add_objects(root, split, number):
    """Give the first image of a split ``number`` objects: its own one again and again."""
    path = root / f"annotations/instances_{split}.json"
    coco = json.loads(path.read_text())
    first = coco["annotations"][0]
    ids = range(1000, 999 + number)
    coco["annotations"] += [first | {"id": i} for i in ids]
    path.write_text(json.dumps(coco))


def limits(made, name):
    cfg = made.cfg[name]
    rpn = cfg.MODEL.RPN
    return cfg.TEST.DETECTIONS_PER_IMAGE, rpn.PRE_NMS_TOPK_TEST, rpn.POST_NMS_TOPK_TEST


def test_usual_data_keeps_the_limits_of_coco(root):
    made = configs(root)
    assert limits(made, "maskrcnn") == (100, 300, 100) and limits(made, "bestie")[0] == 100
    assert LIMIT not in made.overrides["maskrcnn"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_crowds_in_the_ground_truth_raise_all_limits(root, split):
    add_objects(root, split, 250)
    made = configs(root)
    assert limits(made, "maskrcnn") == (400, 800, 800) and limits(made, "bestie")[0] == 400
    assert limits(configs(root, preset="r50"), "maskrcnn") == (400, 1000, 1000)
    assert LIMIT not in made.overrides["classifier"]
    assert too_small_limits(made.cfg["maskrcnn"], made.most_objects) == []


def test_crowds_of_clicks_count_and_unconfident_points_do_not(root):
    for split in ("train", "val"):
        (root / f"annotations/instances_{split}.json").unlink()
    for image_id in ("train_00", "train_01", "train_02"):
        scores = np.ones(160, np.float32)
        scores[:40] = 0.2
        points = Points(np.zeros((160, 2)), np.zeros(160, np.int64), scores)
        write_points(root / f"Center_points/{image_id}.txt", points)
    made = configs(root, supervision="clicks")
    assert made.most_objects == 120
    assert limits(made, "maskrcnn")[0] == limits(made, "bestie")[0] == 200


def test_the_user_decides_and_a_limit_that_is_too_small_is_named(root):
    add_objects(root, "val", 250)
    made = configs(root, [LIMIT, "100"])
    assert limits(made, "maskrcnn") == (100, 300, 100)
    (line,) = too_small_limits(made.cfg["maskrcnn"], made.most_objects)
    assert f"{LIMIT} 100 is too small: an image holds 250 objects" in line
    assert f"{LIMIT} 400 would do" in line
    # Proposals follow the user's limit, unless they are set, too.
    assert limits(configs(root, [LIMIT, "150"]), "maskrcnn") == (150, 300, 300)
    key = "MODEL.RPN.POST_NMS_TOPK_TEST"
    assert limits(configs(root, [LIMIT, "150", key, "160"]), "maskrcnn") == (150, 300, 160)
    assert limits(configs(root, [key, "500"]), "maskrcnn") == (400, 800, 500)


def test_of_an_option_given_twice_the_last_value_counts(root):
    made = configs(root, ["DEVICE", "cuda", "SEED", "1", "MODEL.DEVICE", "cpu", "SEED", "2"])
    assert made.cfg["bestie"].MODEL.DEVICE == "cpu" and made.cfg["bestie"].SEED == 2
    made = configs(root, ["bestie:SEED", "3", "SEED", "1", "bestie:SEED", "4"])
    assert made.cfg["bestie"].SEED == 4 and made.cfg["maskrcnn"].SEED == 1


def test_damaged_files_are_left_to_the_check(root):
    (root / "annotations/instances_val.json").write_text("{")
    request = Request(str(root), "tags", root.parent / "run")
    assert most_objects(open_source(request, root), 0.7) == 1


def test_results_name_the_limit():
    key = "segm/max_detections"
    results = {"bestie": {key: 400.0}, "maskrcnn": {key: 400.0}, "baseline": None}
    assert "counts the 400 detections" in limits_note(results, RECIPE.models)
    results["maskrcnn"] = {key: 100}
    text = limits_note(results, RECIPE.models)
    assert "400 (BESTIE), 100 (Mask R-CNN on its labels)" in text
    assert limits_note({"bestie": {"voc/mAP50": 1.0}}, RECIPE.models) == ""
