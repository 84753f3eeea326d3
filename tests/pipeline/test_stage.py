import re

import pytest

from bestie.pipeline.fingerprint import record_outputs
from bestie.pipeline.stage import Stage, changed_inputs, decide

INPUTS = {"data": {"tags": "a", "classes": "b"}, "settings": "c", "upstream": {}, "code": "d"}


@pytest.fixture
def stage():
    return Stage("work", outputs=("work/*.txt",), can_go_on=lambda: True)


@pytest.fixture
def entry(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/a.txt").write_text("a")
    (tmp_path / "work/b.txt").write_text("b")
    outputs = record_outputs(tmp_path, ["work/*.txt"])
    return {"status": "done", "inputs": INPUTS, "outputs": outputs}


def test_a_stage_that_was_never_run_runs(stage, tmp_path):
    assert decide(stage, None, INPUTS, tmp_path).action == "run"
    skipped = {"status": "skipped", "reason": "maps are supplied"}
    assert decide(stage, skipped, INPUTS, tmp_path).reason == "not done yet"


def test_a_stage_is_kept_only_if_nothing_changed(stage, entry, tmp_path):
    assert decide(stage, entry, INPUTS, tmp_path).action == "keep"
    changed = INPUTS | {"data": {"tags": "x", "classes": "b"}, "code": "y"}
    decision = decide(stage, entry, changed, tmp_path)
    assert (decision.action, decision.reason) == ("run", "changed: data (tags), code")


def test_force_runs_a_stage_anew_but_not_one_that_is_replaced(stage, entry, tmp_path):
    assert decide(stage, entry, INPUTS, tmp_path, forced=True).reason == "forced"
    replaced = Stage("work", replaced="clicks are given")
    assert decide(replaced, entry, INPUTS, tmp_path, forced=True).action == "replaced"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: (folder / "a.txt").unlink(), r"work/\*.txt: 1 of 2 files are there"),
        (lambda folder: (folder / "a.txt").write_text("x"), "not as it was written .same size"),
        (lambda folder: (folder / "a.txt").write_text("xyz"), "4 bytes, 2 were written"),
        (lambda folder: (folder / "c.txt").write_text(""), "3 of 2 files are there"),
    ],
)
def test_outputs_that_are_not_whole_are_made_anew(stage, entry, tmp_path, harm, reason):
    harm(tmp_path / "work")
    decision = decide(stage, entry, INPUTS, tmp_path)
    assert decision.action == "run"
    assert re.search(reason, decision.reason)


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_stopped_stage_goes_on_if_its_inputs_are_the_same(stage, entry, tmp_path, status):
    entry = entry | {"status": status, "outputs": {}}
    assert decide(stage, entry, INPUTS, tmp_path).action == "resume"
    assert decide(stage, entry, INPUTS | {"settings": "x"}, tmp_path).action == "run"
    without = Stage("work", outputs=("work/*.txt",))
    assert decide(without, entry, INPUTS, tmp_path).action == "run"


def test_a_stage_that_was_skipped_in_between_is_kept_if_it_is_whole(stage, entry, tmp_path):
    assert decide(stage, entry | {"status": "skipped"}, INPUTS, tmp_path).action == "keep"


def test_changed_inputs_are_named():
    now = {"data": {"tags": "a", "maps": "m"}, "settings": "x", "upstream": {"f": "1"}, "code": "d"}
    expected = ["data (classes)", "data (maps)", "settings", "upstream (f)"]
    assert changed_inputs(INPUTS, now) == expected
    assert changed_inputs({}, {"data": {"tags": "a"}, "code": "d"}) == ["data (tags)", "code"]
