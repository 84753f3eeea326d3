"""Stages of other runs are taken only where inputs and files are the same."""

import json

import pytest

from bestie.pipeline.fingerprint import record_outputs
from bestie.pipeline.manifest import VERSION
from bestie.pipeline.shared import TAKEN, SharedStages

INPUTS = {"settings": "a", "data": {"tags": "b"}}
OUTPUTS = ("cues/*.txt",)


@pytest.fixture
def other(tmp_path):
    """A run that has finished the stage "cues"."""
    folder = tmp_path / "other"
    (folder / "cues").mkdir(parents=True)
    (folder / "cues/one.txt").write_text("1 2 0 1.0\n")
    (folder / "cues/link").symlink_to(tmp_path)
    entry = {"status": "done", "inputs": INPUTS, "outputs": record_outputs(folder, OUTPUTS)}
    entry |= {"seconds": 5.0, "reason": ""}
    write(folder, {"cues": entry})
    return folder


def write(folder, stages, version=VERSION):
    (folder / "manifest.json").write_text(json.dumps({"version": version, "stages": stages}))


def test_a_stage_with_the_same_inputs_is_taken_as_links(other, tmp_path):
    shared = SharedStages([tmp_path / "nowhere", other])
    found = shared.find("cues", INPUTS, OUTPUTS)
    own = tmp_path / "own"
    own.mkdir()
    entry = shared.take(found, own)
    assert entry[TAKEN] == str(other) and entry["inputs"] == INPUTS
    assert (own / "cues/one.txt").samefile(other / "cues/one.txt")
    assert (own / "cues/link").is_symlink()
    write(own, {"cues": entry})
    again = SharedStages([own])  # the origin stays the run that did the work
    third = tmp_path / "third"
    third.mkdir()
    assert again.take(again.find("cues", INPUTS, OUTPUTS), third)[TAKEN] == str(other)


def test_other_inputs_other_outputs_and_damage_are_not_taken(other):
    shared = SharedStages([other])
    assert shared.find("cues", INPUTS | {"settings": "c"}, OUTPUTS) is None
    assert shared.find("cues", INPUTS, (*OUTPUTS, "cues/report/*")) is None
    assert shared.find("maps", INPUTS, OUTPUTS) is None
    (other / "cues/one.txt").write_text("2 1 0 1.0\n")
    assert shared.find("cues", INPUTS, OUTPUTS) is None


@pytest.mark.parametrize("status", ["running", "failed"])
def test_unfinished_stages_are_not_taken(other, status):
    write(other, {"cues": {"status": status, "inputs": INPUTS, "outputs": {}}})
    assert SharedStages([other]).find("cues", INPUTS, ()) is None


def test_manifests_that_cannot_be_read_share_nothing(other):
    for text in ("{", "[]", json.dumps({"version": 0, "stages": {}})):
        (other / "manifest.json").write_text(text)
        assert SharedStages([other]).find("cues", INPUTS, OUTPUTS) is None
