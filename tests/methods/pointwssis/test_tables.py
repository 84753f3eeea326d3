"""Tables of the paper: settings are those of the recipe, numbers those that were published."""

import json

import pytest

from bestie.formats import DataError, configs_folder
from bestie.methods.pointwssis.recipe import RECIPE
from bestie.methods.pointwssis.tables import ABLATIONS, BUDGET, SHARES, TABLES
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.reproduce import Order, reproduce
from bestie.pipeline.request import Request
from bestie.pipeline.row_data import divided_root
from bestie.pipeline.source import open_source
from bestie.pipeline.stages import Run
from bestie.training.setup import merge_config
from tests.pipeline.tiny_root import write_tiny_root

ROWS = [(table, row) for table in TABLES for row in table.rows]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda value: value.name)
def test_settings_of_every_row_are_accepted(table, row, tmp_path):
    options = tuple(part for pair in row.settings.items() for part in pair)
    request = Request(
        str(tmp_path),
        table.supervision,
        tmp_path / "run",
        options=options,
        variants=row.variants,
        more_stages=table.stages,
    )
    assert table.last in request.recipe.stage_names and row.prepare[0] == "--percent"


def test_three_rows_of_a_share_are_one_run():
    rows = [SHARES.row(f"{name}_10") for name in ("masks", "clicks", "refined")]
    assert {SHARES.run_of(row).name for row in rows} == {"masks_10"}
    assert [row.published["AP"] for row in rows] == [22.1, 32.6, 35.8]
    assert SHARES.run_of(SHARES.row("refined_5")).name == "masks_5"


# Facts of the paper's teacher, share -> steps of decay, number of steps, rough masks after.
PAPER = {
    1: ((5000, 8000), 10001, (5000, 10000)),
    2: ((15000, 20000), 25001, (10000, 20000)),
    5: ((20000, 25000), 30001, (15000, 25000)),
    10: ((35000, 40000), 45001, (30000, 40000)),
    20: ((90000, 110000), 120001, (70000, 100000)),
    30: ((120000, 150000), 160001, (100000, 130000)),
    50: ((210000, 250000), 270001, (180000, 240000)),
}


@pytest.mark.parametrize(
    ("table", "name", "percent"),
    [(SHARES, "refined", percent) for percent in PAPER]
    + [(BUDGET, "share", percent) for percent in (5, 10, 30, 50)],
)
def test_every_share_has_the_papers_schedule_of_the_teacher(table, name, percent, tmp_path):
    order = Order(table, tmp_path, data=str(tmp_path), preset="r101", seeds=(0,))
    settings = order.table.row(f"{name}_{percent}").settings
    options = [part for pair in settings.items() for part in pair]
    of_row = RECIPE.split_options(options)["teacher"]
    own = merge_config(str(configs_folder() / f"PointWSSIS/coco_{percent}_teacher.yaml"), [])
    preset = RECIPE.config_file("r101", "teacher")
    given = [part for pair in of_row.items() for part in pair]
    decay, last, rough = PAPER[percent]
    for cfg in (own, merge_config(str(preset), given)):
        assert (cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER) == (decay, last)
        # Nearest to the shares among the checkpoints before the last one.
        saved = range(cfg.SOLVER.CHECKPOINT_PERIOD, last, cfg.SOLVER.CHECKPOINT_PERIOD)
        shares = cfg.MODEL.POINTWSSIS.ROUGH_AT
        assert tuple(min(saved, key=lambda n: abs(n - s * last)) for s in shares) == rough
    # Otherwise the engine would save more often.
    assert of_row["SOLVER.CHECKPOINT_PERIOD"] == str(own.SOLVER.CHECKPOINT_PERIOD)


def test_other_presets_keep_their_schedule(tmp_path):
    order = Order(SHARES, tmp_path, data=str(tmp_path), seeds=(0,))
    assert not any(row.settings for row in order.table.rows)


def test_quality_of_rough_and_refined_labels_is_read(tmp_path):
    (tmp_path / "quality").mkdir()
    found = {"recall": 1.0, "precision": 2.0, "recall75": 3.0, "best_iou": 4.0}
    stages = {"labels": found, "refined": found | {"recall": 5.0}}
    (tmp_path / "quality/quality.json").write_text(json.dumps({"stages": stages}))
    read = [ABLATIONS.reader(ABLATIONS.row(name))(tmp_path) for name in ("rough", "refined")]
    assert [values["recall"] for values in read] == [1.0, 5.0]
    assert read[0]["recall at IoU 0.75"] == 3.0 and read[0]["mean IoU"] == 4.0


def test_a_split_that_the_data_lacks_is_named_with_those_that_exist(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=1)
    (root / "ImageSets/Segmentation/train.txt").rename(
        root / "ImageSets/Segmentation/train2017.txt"
    )
    order = Order(SHARES, tmp_path / "out", data=str(root), preset="r50", seeds=(0,))
    message = "--split: there is no split 'train'; found are train2017, val"
    with pytest.raises(DataError, match=message):
        reproduce(order, dry_run=True)


def test_the_second_student_trains_on_labels_that_no_refiner_has_seen(tmp_path):
    root = divided_root(
        write_tiny_root(tmp_path / "root", train=4, val=1), tmp_path, ("--percent", "50"), 0
    )
    request = Request(
        str(root),
        "masks+clicks",
        tmp_path / "run",
        more_stages=SHARES.stages,
        options=("SEED", "1"),
    )
    source = open_source(request, root)
    run = Run(request, source, TrainingConfigs(request, source, request.output))
    step = run.step("student_rough")
    merge, train = step.commands(run, False)
    labels, folder = run.folder / "labels/labels.json", run.folder / "student_rough"
    assert merge.name == "combine" and str(labels) in merge.arguments
    given = dict(zip(train.arguments[4::2], train.arguments[5::2], strict=False))
    assert given["OUTPUT_DIR"] == str(folder) and given["SEED"] == "1"
    assert str(folder / "labels.json") in given["DATASETS.TRAIN"]
    # The run's own student, with which it shares its settings, trains elsewhere.
    assert run.configs.overrides["student"]["OUTPUT_DIR"] == str(run.folder / "student")
    stage = step.build(run)
    assert "student_rough/model_final.pth" in stage.outputs and not step.can_resume(run)
    reads = dict(stage.reads)
    assert reads["labels"] == "labels/labels.json" and "refined" not in reads
