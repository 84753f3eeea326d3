"""A table of a toy recipe: rows share stages, are resumed, and give numbers per seed."""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bestie.formats import DataError
from bestie.pipeline.recipe import RECIPES, Recipe, Training, register_recipe
from bestie.pipeline.reproduce import Order, reproduce
from bestie.pipeline.runner import StageError
from bestie.pipeline.stages import TRAIN, Step
from bestie.pipeline.tables import FromRow, Row, Table
from tests.pipeline.tiny_root import SIDE, write_tiny_root

COUNT = ("count", "count/number.txt")
DONE: list[str] = []  # what ran


@dataclass(frozen=True)
class CountImages(Step):
    """Writes how many training images there are, or how many cues are supplied."""

    def finish(self, run):
        DONE.append(f"count {run.folder.name}")
        supplied = run.request.cues
        number = len(list(supplied.iterdir())) if supplied else len(run.source.ids["train"])
        path = run.folder / self.outputs[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))

    def settings(self, run):
        return str(run.request.cues is not None)


@dataclass(frozen=True)
class Multiply(Step):
    """Multiplies it with a setting."""

    def finish(self, run):
        DONE.append(f"multiply {run.folder.name}")
        factor = run.configs.cfg[self.training].SOLVER.MAX_ITER
        if factor == 1013:
            raise ValueError("1013 is not a factor")
        path = run.folder / self.outputs[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(factor * int((run.folder / COUNT[1]).read_text())))


TOY = Recipe(
    name="toy",
    module=__name__,
    supervisions=("pictures",),
    trainings=(Training("classifier", own_keys=("MODEL.PAM.",), finds_instances=False),),
    stages=(
        CountImages("count", "Number of images", data=TRAIN, outputs=COUNT[1:]),
        Multiply(
            "multiply",
            "Times the steps",
            reads=(COUNT,),
            outputs=("multiply/number.txt",),
            training="classifier",
        ),
    ),
)


def read(folder):
    return {"number": float((folder / "multiply/number.txt").read_text())}


TABLE = Table(
    *("table", "1", "numbers", "pictures"),
    rows=(
        Row("ten", "10", settings={"SOLVER.MAX_ITER": "1000"}, published={"number": 7.0}),
        Row("more", "more", settings={"SOLVER.MAX_ITER": "2000"}),
        Row("cues", "cues of ten", cues=FromRow("ten", "count", "count")),
        Row("same", "10 again", settings={"SOLVER.MAX_ITER": "1000"}),
    ),
    last="multiply",
    read=read,
)


@pytest.fixture
def order(tmp_path):
    register_recipe(TOY)
    DONE.clear()
    root = write_tiny_root(tmp_path / "root", train=3, val=1)
    yield Order(TABLE, tmp_path / "out", data=str(root), seeds=(0, 1))
    del RECIPES["toy"]


def run(order, **arguments):
    stream = io.StringIO()
    return reproduce(order, stream=stream, **arguments), stream.getvalue()


def test_rows_share_what_they_have_in_common_and_a_second_call_does_nothing(order):
    results, text = run(replace(order, rows=("ten", "more", "same")))
    # Neither settings nor the seed matter to the count.
    assert DONE == ["count ten", "multiply ten", "multiply more", "multiply ten", "multiply more"]
    assert results.values["more"] == {0: {"number": 6000.0}, 1: {"number": 6000.0}}
    assert results.values["same"] == results.values["ten"] == {s: {"number": 3e3} for s in (0, 1)}
    assert "taken from" in text and "results.md" in text
    folder = order.output / "table_1"
    rows = json.loads((folder / "results.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["ten", "more", "same"]
    assert rows[0]["published"] == {"number": 7.0} and rows[1]["mean"] == {"number": 6000.0}
    assert rows[2]["seconds"] == {"0": 0.0, "1": 0.0}
    DONE.clear()
    run(replace(order, rows=("ten", "more", "same")))
    assert DONE == []


def test_a_row_gets_the_files_of_another_one(order):
    results, _ = run(replace(order, rows=("cues",), seeds=(0,), options=()))
    assert DONE[0] == "count ten" and "multiply ten" not in DONE
    assert results.values["cues"][0]["number"] == 1 * 850  # the steps of the preset


def test_a_failed_row_is_named_and_the_rest_is_kept(order):
    failing = replace(TABLE.rows[1], settings={"SOLVER.MAX_ITER": "1013"})
    table = replace(TABLE, rows=(TABLE.rows[0], failing))
    with pytest.raises(StageError, match="table 1, row more, seed 0: stage multiply failed"):
        run(replace(order, table=table))
    rows = json.loads((order.output / "table_1/results.json").read_text())["rows"]
    assert rows[0]["seeds"] == {"0": {"number": 3000.0}} and rows[1]["seeds"] == {}
    DONE.clear()
    run(replace(order, seeds=(0,)))  # the row is in order again
    assert DONE == ["multiply more", "count cues", "multiply cues"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": ()}, "--seeds: different numbers"),
        ({"seeds": (1, 1)}, "--seeds: different numbers"),
        ({"data": "coco:a:b"}, "--data: the root of a data set"),
        ({"data": "built-in", "preset": "r50"}, "--preset r50 needs --data"),
        ({"rows": ("tenth",)}, "no row 'tenth'; it has ten"),
        ({"preset": "r101"}, "--preset must be one of hrnet48, quick, .*got 'r101'"),
        ({"options": ("SEED", "1")}, "--seeds says what it is to be"),
        ({"options": ("SOLVER.BASE_LR",)}, "in pairs, KEY VALUE; 'SOLVER.BASE_LR' has no value"),
        ({"options": ("SOLVER.MAX_ITER", "1")}, "SOLVER.MAX_ITER is set by the row ten"),
        ({"options": ("classifier:SOLVER.MAX_ITER", "1")}, "is set by the row ten"),
    ],
)
def test_orders_that_make_no_sense_are_refused(order, fields, message):
    with pytest.raises(ValueError, match=message):
        replace(order, **fields)


def test_mistakes_in_any_row_are_found_before_the_first_one_runs(order):
    wrong = replace(TABLE.rows[1], settings={"SOLVER.NO_KEY": "1"})
    with pytest.raises(ValueError, match="NO_KEY"):
        run(replace(order, table=replace(TABLE, rows=(TABLE.rows[0], wrong))))
    wrong = replace(TABLE.rows[1], settings={"MODEL.PAM.ALPHA": "7"})
    with pytest.raises(ValueError, match=r"(?s)row more: classifier: .*MODEL.PAM.ALPHA"):
        run(replace(order, table=replace(TABLE, rows=(TABLE.rows[0], wrong))))
    with pytest.raises(DataError, match="no true masks of the images of 'weak'"):
        run(replace(order, table=replace(TABLE, needs_truth=("weak",))))
    root = Path(order.data)
    (root / "annotations/instances_val.json").unlink()
    for folder in ("SegmentationClass", "SegmentationObject"):
        (root / folder).mkdir(exist_ok=True)
        for name in (root / "ImageSets/Segmentation/val.txt").read_text().split():
            Image.fromarray(np.eye(SIDE, dtype=np.uint8)).save(root / folder / f"{name}.png")
    with pytest.raises(DataError, match="of 'val' as PNG files only.* needs a COCO json"):
        run(replace(order, table=replace(TABLE, needs_json=True)))
    assert DONE == []


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": "/nope"}, "/nope: --data: is not a folder"),
        ({"num_gpus": 0}, "--num-gpus must be 1 or more, got 0"),
        ({"options": ("NO_KEY", "1")}, "NO_KEY is not a key"),
        ({"options": ("MODEL.PAM.ALPHA", "7")}, "row ten: classifier: .*MODEL.PAM.ALPHA"),
    ],
)
@pytest.mark.parametrize("prepare", [(), ("--percent", "50")])
def test_mistakes_leave_nothing_behind(order, fields, message, dry_run, prepare):
    rows = tuple(replace(row, prepare=prepare) for row in TABLE.rows[:1])
    order = replace(order, table=replace(TABLE, rows=rows), **fields)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        run(order, dry_run=dry_run)
    assert not order.output.exists() and DONE == []


def test_data_that_cannot_be_divided_is_found_before_the_first_row_runs(order):
    rows = (TABLE.rows[0], replace(TABLE.rows[1], prepare=("--percent", "1")))
    with pytest.raises(DataError, match="strong ones"):
        run(replace(order, table=replace(TABLE, rows=rows)))
    assert DONE == []


def test_rows_of_other_presets_are_left_out_and_refused_by_name(order):
    table = replace(TABLE, rows=(TABLE.rows[0], replace(TABLE.rows[1], presets=("r50",))))
    assert [row.name for row in replace(order, table=table).chosen] == ["ten"]
    with pytest.raises(ValueError, match="more of table 1 is for the presets r50, not for quick"):
        replace(order, table=table, rows=("more",))


def test_a_dry_run_says_what_would_run(order):
    _, text = run(order, dry_run=True)
    assert "more: SOLVER.MAX_ITER 2000" in text and "same (the run of ten)" in text
    assert "cues: count of ten" in text and not order.output.exists()
    assert f"preset quick, on {order.data}, in {order.output}" in text


def test_other_splits_than_the_usual_ones_are_named(order):
    results, text = run(replace(order, val_split="train"), dry_run=True)
    assert f"on {order.data}, validation split train, in {order.output}" in text
    assert (results.as_dict()["split"], results.as_dict()["val_split"]) == ("train", "train")
    assert f"data {order.data}, val split train, seeds 0 1" in results.markdown()
    results, _ = run(order, dry_run=True)
    assert (results.as_dict()["split"], results.as_dict()["val_split"]) == ("train", "val")
    assert "split" not in results.markdown().replace(order.data, "")


def test_a_row_that_makes_the_maps_of_all_needs_none_of_itself(order):
    table = replace(
        TABLE,
        rows=(*TABLE.rows[:2], replace(TABLE.rows[0], name="half", prepare=("--percent", "50"))),
        shared_maps=FromRow("ten", "count", "maps"),
    )
    _, text = run(replace(order, table=table), dry_run=True)
    lines = text.splitlines()
    assert lines[0] == "ten: SOLVER.MAX_ITER 1000"
    assert lines[1] == "more: SOLVER.MAX_ITER 2000, maps of ten, unless the data has some"
    assert lines[2].startswith("half: SOLVER.MAX_ITER 1000, --percent 50, maps of ten")


def test_rows_may_have_settings_of_one_preset_and_images_of_another_split(order):
    row = Row("ten", "10", preset_settings={"quick": {"SOLVER.MAX_ITER": "3000"}})
    folder = Path(order.data) / "ImageSets/Segmentation"
    (folder / "pictures.txt").write_text("train_00\ntrain_01\n")
    changed = replace(order, table=replace(TABLE, rows=(row,)), split="pictures", seeds=(0,))
    _, text = run(changed, dry_run=True)
    assert f"on {order.data}, split pictures, in {order.output}" in text
    results, _ = run(changed)
    assert results.as_dict()["rows"][0]["mean"] == {"number": 6000.0}
    assert (results.as_dict()["split"], results.as_dict()["val_split"]) == ("pictures", "val")
    assert "split pictures, seeds 0" in results.markdown() and "val" not in results.markdown()
    (other,) = replace(changed, table=replace(TABLE, rows=(row,)), preset="small").chosen
    assert not other.settings
    with pytest.raises(ValueError, match="SOLVER.MAX_ITER is set by the row ten"):
        replace(changed, options=("SOLVER.MAX_ITER", "5"))


@pytest.mark.parametrize("key", ["", "SOLVER.MAX_ITER", "classifier:SOLVER.MAX_ITER"])
def test_a_table_may_have_settings_of_one_preset_which_options_replace(order, key):
    settings = {"classifier:SOLVER.MAX_ITER": "3000", "classifier:SOLVER.BASE_LR": "0.5"}
    table = replace(TABLE, rows=(Row("ten", "10"),), preset_settings={"quick": settings})
    order = replace(order, table=table, seeds=(0,), options=(key, "900") if key else ())
    used = (key, "900") if key else ("classifier:SOLVER.MAX_ITER", "3000")
    results, _ = run(order)
    assert results.values["ten"][0] == {"number": 3 * float(used[1])}
    # The steps of the table go with the rest of its schedule.
    schedule = () if key else ("classifier:SOLVER.BASE_LR", "0.5")
    assert " ".join([*used, *schedule]) in results.markdown()
    assert set(order.all_options) == {*schedule, *used}
    rate = replace(order, options=("SOLVER.BASE_LR", "0.1")).all_options
    assert rate == ("classifier:SOLVER.MAX_ITER", "3000", "SOLVER.BASE_LR", "0.1")
    assert replace(order, preset="small").all_options == order.options


def test_a_stage_that_failed_starts_again_once_its_folder_is_deleted(order):
    order = replace(order, rows=("cues",), seeds=(0,), options=("SOLVER.MAX_ITER", "1013"))
    with pytest.raises(StageError, match="multiply failed(.|\\n)*delete .*/cues/multiply first"):
        run(order)
