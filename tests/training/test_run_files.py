"""The files of a run: the model that a path stands for."""

import json

import pytest

from bestie.formats import DataError
from bestie.training.run_files import find_checkpoint, find_run_files


def write_training(folder, *names):
    folder.mkdir(parents=True)
    for name in names or ("config.yaml", "model_final.pth"):
        (folder / name).touch()


def write_manifest(folder, *stages):
    content = {"stages": dict.fromkeys(stages, {"status": "done"})}
    (folder / "manifest.json").write_text(json.dumps(content))


def test_the_last_training_of_a_run_counts(tmp_path):
    for name in ("zebra", "ant"):
        write_training(tmp_path / name)
    write_manifest(tmp_path, "check", "zebra", "labels", "ant", "later", "report")
    expected = tmp_path / "ant"
    found = find_checkpoint(tmp_path)
    assert found == (expected / "config.yaml", expected / "model_final.pth")


def test_a_training_and_a_checkpoint_stand_for_themselves(tmp_path):
    write_training(tmp_path / "t", "config.yaml", "model_final.pth", "model_0000099.pth")
    config, weights = find_checkpoint(str(tmp_path / "t"))
    assert (config.name, weights.name) == ("config.yaml", "model_final.pth")
    assert find_checkpoint(tmp_path / "t/model_0000099.pth") == (
        config,
        tmp_path / "t/model_0000099.pth",
    )


def test_what_holds_no_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no config.yaml and no model_final.pth"):
        find_checkpoint(tmp_path)
    write_training(tmp_path / "t", "config.yaml")
    write_manifest(tmp_path, "check", "t")
    with pytest.raises(ValueError, match="/t has no model_final.pth; the OUTPUT_DIR of a finished"):
        find_checkpoint(tmp_path)
    write_manifest(tmp_path, "check")
    with pytest.raises(ValueError, match="this run has not trained a model yet"):
        find_checkpoint(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="manifest.json is damaged"):
        find_checkpoint(tmp_path)
    (tmp_path / "a.pth").touch()
    with pytest.raises(ValueError, match="a.pth: no config.yaml lies beside it"):
        find_checkpoint(tmp_path / "a.pth")


def test_files_of_a_run_that_has_just_started(tmp_path):
    with pytest.raises(DataError, match="is not the folder of a run"):
        find_run_files(tmp_path)
    write_manifest(tmp_path)
    found = find_run_files(tmp_path)
    assert (found.dataset, found.points, found.maps, found.labels) == ("", "", "", "")
    (tmp_path / "cues").mkdir()
    assert find_run_files(tmp_path).points == str(tmp_path / "cues")


def test_of_a_run_that_refines_labels_only_the_refined_ones_count(tmp_path):
    for name in ("labels", "refined"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels/labels.json").write_text("{}")
    write_manifest(tmp_path, "check", "labels")
    assert find_run_files(tmp_path).labels == str(tmp_path / "labels/labels.json")
    write_manifest(tmp_path, "check", "rough", "labels", "refined")
    assert find_run_files(tmp_path).labels == ""
    (tmp_path / "refined/labels.json").write_text("{}")
    assert find_run_files(tmp_path).labels == str(tmp_path / "refined/labels.json")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(
        json.dumps(manifest | {"stage_names": ["check", "labels"]})
    )
    assert find_run_files(tmp_path).labels == str(tmp_path / "labels/labels.json")


def test_the_root_of_a_run_is_that_of_its_manifest(tmp_path):
    for data, root in (("a/b", "a/b"), ("coco:a.json:photos", "")):
        (tmp_path / "manifest.json").write_text(json.dumps({"data": data, "stages": {}}))
        assert find_run_files(tmp_path).root == root


@pytest.mark.parametrize(
    ("entry", "missing"),
    [
        (None, "labels did not run"),
        ({"status": "running", "reason": "not done yet"}, "labels has not finished"),
        ({"status": "failed", "reason": "no labels"}, "labels failed: no labels"),
        ({"status": "skipped", "reason": "replaced"}, "labels was skipped: replaced"),
        ({"status": "skipped", "outputs": {"labels/labels.json": {}}}, ""),
        ({"status": "done"}, ""),
    ],
)
def test_labels_of_a_stage_that_has_not_finished_do_not_count(tmp_path, entry, missing):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/labels.json").write_text("{}")
    stages = {} if entry is None else {"labels": entry}
    (tmp_path / "manifest.json").write_text(json.dumps({"stages": stages}))
    found = find_run_files(tmp_path)
    assert found.labels_missing == missing and bool(found.labels) == (not missing)
