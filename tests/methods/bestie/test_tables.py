"""Tables of the paper: settings are those of the recipe, numbers those that were published."""

import json

import pytest
import torch

from bestie.methods.bestie.recipe import RECIPE
from bestie.methods.bestie.tables import (
    ABLATION,
    ATTENTION,
    COCO,
    REFINER_SWEEP,
    ROUNDS,
    SETTING,
    TABLES,
    _read_curve,
)
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from bestie.training.setup import build_model, merge_config
from tests.conftest import PROJECT
from tests.pipeline.tiny_root import write_tiny_root

ROWS = [(table, row) for table in TABLES for row in table.rows]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda value: value.name)
def test_settings_and_variants_of_every_row_are_accepted(table, row, tmp_path):
    for preset in row.presets or ("quick", "small", "r50", "hrnet48"):
        options = tuple(part for pair in row.settings.items() for part in pair)
        supervision = row.supervision or table.supervision
        request = Request(
            str(tmp_path),
            supervision,
            tmp_path / "run",
            preset=preset,
            options=options,
            variants=row.variants,
            more_stages=table.stages,
        )
        names = request.recipe.stage_names
        own = RECIPE.for_run(preset, row.variants).stages
        assert table.last in names and len(names) == len(own) + len(table.stages)


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("preset", ["quick", "small"])
@pytest.mark.parametrize(("name", "network"), [("scratch", ""), ("resnet18", "resnet18")])
def test_backbones_of_the_small_presets_start_from_random_weights(preset, name, network, tmp_path):
    settings = REFINER_SWEEP.row(name).settings
    options = ("DEVICE", "cpu", *(part for pair in settings.items() for part in pair))
    root = write_tiny_root(tmp_path / "root", train=1, val=1)
    request = Request(str(root), "tags", tmp_path / "run", preset=preset, options=options)
    configs = TrainingConfigs(request, open_source(request, root), request.output)
    cfg = configs.cfg["maskrcnn"].clone()
    assert cfg.MODEL.WEIGHTS == cfg.MODEL.TIMM.WEIGHTS == ""
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    model = build_model(cfg).eval()
    assert cfg.MODEL.TIMM.NAME == network or not network
    with torch.no_grad():
        (found,) = model([{"image": torch.zeros(3, 64, 96, dtype=torch.uint8)}])
    assert found["instances"].image_size == (64, 96)


def test_without_refinement_the_clustering_is_off_so_that_inference_has_none():
    for name in ("plain", "pam", "iag"):
        settings = RECIPE.split_options(
            [part for pair in ABLATION.row(name).settings.items() for part in pair]
        )["bestie"]
        assert settings["MODEL.BESTIE.REFINE.ENABLED"] == "False"
        assert settings["MODEL.BESTIE.CLUSTER.ENABLED"] == "False"
    assert ABLATION.row("clustering").settings == {}
    published = [row.published["mAP50"] for row in ABLATION.rows]
    assert published == [12.9, 29.3, 39.2, 41.5, 41.8]


def test_what_differs_from_the_setting_of_the_paper_is_said():
    files = [
        RECIPE.config_file("hrnet48", "bestie"),
        PROJECT / "configs/BESTIE/voc_tags_hrnet48.yaml",
    ]
    preset, official = (merge_config(str(path), []).MODEL.BESTIE.TEST.FLIP for path in files)
    assert preset and not official and "MODEL.BESTIE.TEST.FLIP" in SETTING
    shared = ATTENTION.row(ATTENTION.shared_maps.row).settings["MODEL.PAM.ALPHA"]
    assert f"those of alpha {shared}" in ATTENTION.note


def test_a_round_trains_on_what_the_one_before_left():
    row = ROUNDS.row("round_3")
    assert [source.row for source in row.sources] == ["round_2", "round_2"]
    assert ROUNDS.stages[0][1].name == row.maps.stage


def test_curves_are_read_by_the_number_of_steps(tmp_path):
    (tmp_path / "refinement").mkdir()
    refined = [{"iteration": n, "true_positives": n} for n in (5, 10)]
    content = {"pseudo": {"true_positives": 3}, "refined": refined}
    (tmp_path / "refinement/over_training.json").write_text(json.dumps(content))
    assert _read_curve("refined", tmp_path) == {"after 5 steps": 5, "after 10 steps": 10}
    assert _read_curve("pseudo", tmp_path) == {"after 5 steps": 3, "after 10 steps": 3}


def test_trainings_of_table_2_have_the_schedules_for_coco():
    files = {
        "classifier": "PAM/coco_vgg16.yaml",
        "bestie": "BESTIE/coco_tags_r50.yaml",
        "maskrcnn": "MaskRCNN/coco_r50_fpn.yaml",
    }
    for preset in ("r50", "hrnet48"):
        options = [part for pair in COCO.preset_settings[preset].items() for part in pair]
        settings = RECIPE.split_options(options)
        for training, name in files.items():
            expected = merge_config(str(PROJECT / "configs" / name), [])
            given = [part for pair in settings[training].items() for part in pair]
            cfg = merge_config(str(RECIPE.config_file(preset, training)), given)
            for key in ("MAX_ITER", "STEPS", "IMS_PER_BATCH", "BASE_LR", "WARMUP_ITERS", "GAMMA"):
                assert cfg.SOLVER[key] == expected.SOLVER[key], (preset, training, key)
            assert cfg.TEST.EVAL_PERIOD == expected.TEST.EVAL_PERIOD
    assert not COCO.preset_settings.keys() & {"quick", "small"}


@pytest.mark.parametrize("preset", ["quick", "small", "r50", "hrnet48"])
def test_photos_get_the_sides_of_the_rows(preset):
    """Of photos of 3:2, the limit of the longer side changes nothing."""
    rows = [row for row in REFINER_SWEEP.rows if row.name.startswith("side_")]
    sides = []
    for row in rows:
        if preset in row.presets:
            options = [part for pair in row.settings.items() for part in pair]
            cfg = merge_config(str(RECIPE.config_file(preset, "maskrcnn")), options)
            side = int(row.name.removeprefix("side_"))
            assert cfg.INPUT.MIN_SIZE_TRAIN == (side,) and cfg.INPUT.MIN_SIZE_TEST == side
            assert min(cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TEST) > 1.5 * side
            sides.append(side)
    usual = merge_config(str(RECIPE.config_file(preset, "maskrcnn")), []).INPUT.MIN_SIZE_TEST
    assert min(sides) < usual and (max(sides) > usual or usual == max(sides) == 800)
