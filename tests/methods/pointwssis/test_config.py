import os

import pytest

from bestie.cli.prepare_coco import SPLITS
from bestie.data.registration import BUILTIN_DATASETS, parse_name
from bestie.formats import DatasetFolder, configs_folder
from bestie.methods.pointwssis.config import check_pointwssis_config
from bestie.training.setup import merge_config


def test_mistakes_in_the_config_are_listed():
    wrong = ["MODEL.POINTWSSIS.PROMPT", "clicks", "MODEL.POINTWSSIS.LEVEL", "p7"]
    wrong += ["MODEL.REFINER.INPUTS", "['depth']", "MODEL.REFINER.CROP_SCALE", "0.5"]
    problems = check_pointwssis_config(merge_config("", wrong))
    assert len(problems) == 4
    for text in ("got 'clicks'", "got 'p7'", "['depth']", "got 0.5"):
        assert any(text in problem for problem in problems), text


def problems_of(**options):
    given = [part for pair in options.items() for part in pair]
    return check_pointwssis_config(
        merge_config("", [f"MODEL.{text}" if i % 2 == 0 else text for i, text in enumerate(given)])
    )


@pytest.mark.parametrize("prompt", ["none", "points", "sizes", "filter"])
def test_all_kinds_of_guidance_are_accepted(prompt):
    assert problems_of(**{"POINTWSSIS.PROMPT": prompt}) == []


@pytest.mark.parametrize("level", ["selected", "oracle", "p2", "p6"])
def test_all_levels_are_accepted_for_points(level):
    assert problems_of(**{"POINTWSSIS.PROMPT": "points", "POINTWSSIS.LEVEL": level}) == []


@pytest.mark.parametrize("share", ["-0.1", "1.0"])
def test_not_all_images_can_be_held_out(share):
    (problem,) = problems_of(**{"REFINER.HOLD_OUT": share})
    assert f"HOLD_OUT must be a share in [0, 1), 0 for none, got {float(share)}" in problem


@pytest.mark.parametrize("percent", [1, 2, 5, 10, 20, 30, 50])
def test_the_teachers_of_coco_read_what_the_commands_write(percent):
    cfg = merge_config(str(configs_folder() / f"PointWSSIS/coco_{percent}_teacher.yaml"), [])
    train, _ = SPLITS
    known, val = BUILTIN_DATASETS[cfg.DATASETS.TEST[0]]
    assert val in SPLITS
    root = DatasetFolder(f"datasets/{known}_{percent}")  # a root of links for each share
    expected = ("coco", root.ground_truth_json(f"{train}_s"), root.image_folder)
    assert parse_name(cfg.DATASETS.TRAIN[0]) == expected


def test_refiner_and_student_of_coco_read_images_of_the_same_root():
    for name in ("refiner", "student"):
        cfg = merge_config(str(configs_folder() / f"PointWSSIS/coco_{name}.yaml"), [])
        kind, json, images = parse_name(cfg.DATASETS.TRAIN[0])
        root = DatasetFolder(f"datasets/{BUILTIN_DATASETS['coco2017_wsis_train'][0]}")
        assert (kind, images) == ("coco", root.image_folder)
        assert os.path.dirname(json) == os.path.dirname(cfg.OUTPUT_DIR)


@pytest.mark.parametrize(
    ("name", "seed", "amp"),
    [("10_teacher", 1, False), ("refiner", 3407, True), ("student", 1, False)],
)
def test_seeds_and_precision_on_coco_are_those_of_the_paper(name, seed, amp):
    cfg = merge_config(str(configs_folder() / f"PointWSSIS/coco_{name}.yaml"), [])
    assert (cfg.SEED, cfg.SOLVER.AMP.ENABLED) == (seed, amp)
