"""Files of a run: what they hold, or a note about what is wrong with them."""

import pytest

from bestie.formats import DataError
from bestie.report.run_folder import RunFolder
from bestie.training.setup import default_config
from tests.report.toy_run import PLAN, put, toy_run


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .*; is this the output folder of a pipeline"),
        ("{", "is not well-formed json"),
        ("[]", "holds no object with 'stages'"),
        ('{"stages": []}', "holds no object with 'stages'"),
    ],
)
def test_a_folder_needs_a_manifest(tmp_path, content, message):
    if content is not None:
        put(tmp_path, "manifest.json", content)
    with pytest.raises(DataError, match=f"manifest.json: {message}"):
        RunFolder(tmp_path, PLAN)


def test_json_is_an_object_or_nothing(tmp_path):
    run = toy_run(tmp_path)
    put(tmp_path, "a.json", {"b": [1]})
    assert run.json("a.json") == {"b": [1]} and run.json("none.json") is None
    assert run.notes == []


@pytest.mark.parametrize("content", ["{", "", "[1]", "5", "null"])
def test_a_broken_json_is_noted_once(tmp_path, content):
    run = toy_run(tmp_path)
    put(tmp_path, "check/a.json", content)
    assert run.json("check/a.json") is None and run.json("check/a.json") is None
    (note,) = run.notes
    assert note.startswith("check/a.json cannot be read: ")


def test_the_config_of_a_training_is_read_over_the_defaults(tmp_path):
    run = toy_run(tmp_path)
    put(tmp_path, "train/config.yaml", "SEED: 7\n")
    assert run.config("train").SEED == 7
    assert run.config("train").SOLVER == default_config().SOLVER
    assert run.config("check") is None and run.notes == []


@pytest.mark.parametrize(
    "text",
    ["SEED: [", "NO_SUCH_KEY: 1", "SEED: {a: 1}", "SEED: !!python/object/apply:os.getcwd []"],
)
def test_a_config_that_cannot_be_read_is_noted(tmp_path, text):
    run = toy_run(tmp_path)
    put(tmp_path, "train/config.yaml", text)
    assert run.config("train") is None
    assert [note.partition(":")[0] for note in run.notes] == ["train/config.yaml cannot be read"]


def test_metrics_are_curves_or_a_note(tmp_path):
    run = toy_run(tmp_path)
    assert run.metrics("train") == {} and run.notes == []
    rows = ['{"iteration": 2, "loss": 3.0}', '{"iteration": 4, "loss": 1.5}']
    put(tmp_path, "train/metrics.json", "\n".join(rows))
    (iterations, values) = run.metrics("train")["loss"]
    assert (iterations.tolist(), values.tolist()) == ([2, 4], [3.0, 1.5])
    put(tmp_path, "train/metrics.json", "")
    assert run.metrics("train") == {} and run.notes == ["train/metrics.json: holds no metrics"]


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (None, "did not run"),
        ({"status": "done", "reason": ""}, "left nothing to show"),
        ({"status": "skipped", "reason": "maps are given"}, "was skipped: maps are given"),
        ({"status": "failed", "reason": "no space"}, "failed: no space"),
        ({"status": "running"}, "has not finished"),
    ],
)
def test_why_there_is_nothing_of_a_stage(tmp_path, record, what):
    run = toy_run(tmp_path, {} if record is None else {"train": record})
    assert run.absence("train") == f"Nothing here: the stage “Toy network” {what}."


def test_a_stage_that_the_recipe_does_not_know_keeps_its_name(tmp_path):
    assert toy_run(tmp_path).title("old_stage") == "old_stage"


def test_stages_that_left_a_report_come_in_their_order(tmp_path):
    run = toy_run(tmp_path)
    for stage in ("other", "report", "check"):
        put(tmp_path, f"{stage}/report/maps.json", {})
    assert run.reporting("maps.json") == ["check", "report", "other"]
    assert run.reporting("maps.png") == []
