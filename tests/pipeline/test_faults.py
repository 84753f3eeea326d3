"""The whole pipeline on tiny data, killed, starved and given damaged files."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bestie.methods.bestie.recipe import RECIPE
from tests.pipeline.running import entries, kill_at, processes_of, run, start, wait_for
from tests.pipeline.tiny_root import write_tiny_root

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

STAGES = RECIPE.for_run("quick", {}).stage_names
KILLS = 10
RESULTS = ("labels/labels.json", "labels/summary.json", "quality/quality.json")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny_root(tmp_path_factory.mktemp("data") / "root")


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    run(root, output)
    return output


@pytest.fixture
def copy(undisturbed, tmp_path):
    """A finished run to do harm to."""
    target = tmp_path / "run"
    subprocess.run(["cp", "-a", str(undisturbed), str(target)], check=True)
    return target


def state_of(output: Path) -> dict[str, bytes]:
    """Content of everything that stages left."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for name in STAGES
        for path in sorted((output / name).rglob("*"))
        if path.is_file()
    }


def test_a_run_leaves_all_that_it_promises(undisturbed):
    stages = entries(undisturbed)
    assert list(stages) == list(STAGES)
    assert all(entry["status"] == "done" for entry in stages.values())
    for stage in ("classifier", "cues", "maps", "bestie", "labels", "quality", "maskrcnn"):
        assert stages[stage]["seconds"] > 0 and stages[stage]["peak_memory_mib"] > 100
        assert stages[stage]["command"].startswith("python -m bestie ")
        assert (undisturbed / f"logs/{stage}.log").is_file()
    quality = json.loads((undisturbed / "quality/quality.json").read_text())
    assert quality["truth"] and quality["labels"]["total"]["objects"] == 12
    assert [point["iteration"] for point in quality["over_training"]] == [4, 8, 12]
    results = json.loads((undisturbed / "evaluation/results.json").read_text())
    assert "voc/mAP50" in results["bestie"] and "segm/AP" in results["maskrcnn"]
    assert (undisturbed / "report.html").stat().st_size > 10_000


def test_a_second_run_repeats_nothing_and_changed_settings_repeat_what_they_touch(root, copy):
    before = state_of(copy)
    assert run(root, copy).count("unchanged") == len(STAGES)
    assert state_of(copy) == before
    plan = run(root, copy, "--dry-run", "maskrcnn:SOLVER.BASE_LR", "0.003")
    words = [line.split() for line in plan.splitlines()]
    actions = {line[0]: line[1] for line in words if line and line[0] in STAGES}
    assert actions["bestie"] == actions["labels"] == actions["quality"] == "keep"
    assert actions["maskrcnn"] == actions["evaluation"] == "run"
    assert state_of(copy) == before


def test_killed_ten_times_it_ends_as_an_undisturbed_run_does(root, undisturbed, tmp_path):
    output = tmp_path / "run"
    chance = random.Random(0)
    seconds = {name: entry["seconds"] for name, entry in entries(undisturbed).items()}
    working = [name for name in STAGES if entries(undisturbed)[name]["command"]]
    targets = sorted(chance.choices(working, k=KILLS), key=STAGES.index)
    for target in targets:
        done = entries(output).get(target, {}).get("status") == "done"
        process = start(root, output, *(["--force", target] if done else []))
        kill_at(output, target, process, chance.uniform(0, seconds[target]))
    run(root, output)
    for name in RESULTS:
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name
    ours, theirs = (
        json.loads((folder / "evaluation/results.json").read_text())
        for folder in (output, undisturbed)
    )
    assert ours == theirs
    assert not list(output.glob("*.previous"))


def test_a_second_run_into_the_same_folder_stops(root, tmp_path):
    output = tmp_path / "run"
    first = start(root, output, "--to", "classifier")
    wait_for(output, "classifier", first)
    first.send_signal(signal.SIGSTOP)  # so that it does not end before the second one begins
    text = run(root, output, status=1)
    assert f"another run (process {first.pid}) is running there" in text
    first.send_signal(signal.SIGCONT)
    assert first.wait(900) == 0, first.communicate()[0]


def test_an_interrupted_run_says_so_and_leaves_no_process(root, tmp_path):
    output = tmp_path / "run"
    process = start(root, output, "--to", "classifier")
    wait_for(output, "classifier", process)
    time.sleep(1)
    process.terminate()
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 130 and "interrupted" in text and "Traceback" not in text
    assert entries(output)["classifier"]["reason"] == "interrupted"
    assert not processes_of(output)


def test_a_truncated_checkpoint_is_named_and_nothing_else_is_touched(root, copy):
    model = copy / "bestie/model_final.pth"
    model.write_bytes(model.read_bytes()[:5000])
    before = state_of(copy)
    text = run(root, copy, "--from", "labels", "--force", "labels", status=1)
    assert "what stage bestie left is damaged" in text and "model_final.pth" in text
    assert state_of(copy) == before
    plan = run(root, copy, "--dry-run")
    assert "bestie      run       bestie/model_final.pth is not as it was written" in plan


def test_a_training_that_stopped_with_a_truncated_checkpoint_ends_in_one_line(root, copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    entry = manifest["stages"]["maskrcnn"]
    entry.update(status="running", outputs={})
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "maskrcnn/last_checkpoint").write_text("model_0000001.pth")
    checkpoint = copy / "maskrcnn/model_0000001.pth"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    before = {k: v for k, v in state_of(copy).items() if not k.startswith("maskrcnn")}
    text = run(root, copy, status=1)
    assert "stage maskrcnn failed: bestie train: " in text and "model_0000001.pth" in text
    assert "--force maskrcnn" in text and "logs/maskrcnn.log" in text
    assert before.items() <= state_of(copy).items()
    assert "done" in run(root, copy, "--force", "maskrcnn")


def test_corrupted_json_files_are_named(root, copy):
    labels = copy / "labels/labels.json"
    labels.write_text(labels.read_text()[:-20])
    before = state_of(copy)
    text = run(root, copy, "--from", "quality", status=1)
    assert "what stage labels left is damaged: labels/labels.json" in text
    (copy / "manifest.json").write_text('{"version": 1, "stages": {')
    text = run(root, copy, status=1)
    assert (
        "manifest.json, line 1: is not well-formed json" in text and "nothing was touched" in text
    )
    assert state_of(copy) == before


def test_an_image_deleted_between_stages_ends_the_run(root, tmp_path):
    data, output = tmp_path / "root", tmp_path / "run"
    subprocess.run(["cp", "-a", str(root), str(data)], check=True)
    process = start(data, output, "--to", "cues")
    wait_for(output, "classifier", process)
    time.sleep(6)  # the training has opened its data, and looks at few images
    (data / "JPEGImages/train_07.png").unlink()
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 1 and "train_07" in text and "Traceback" not in text
    text = run(data, output, status=1)
    assert "stage check failed" in text and "train_07: image does not exist" in text


def test_a_full_disk_ends_in_one_line_and_a_rerun_with_space_goes_on(root, undisturbed, tmp_path):
    """A limit on the size of files stands in for a full disk: writing fails in the same way."""
    output = tmp_path / "run"
    weights = undisturbed / "classifier/model_final.pth"
    limit = weights.stat().st_size // 2
    code = (
        "import os, resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    text = run(root, output, status=1, prefix=(sys.executable, "-c", code))
    assert "stage classifier failed: bestie train: " in text and "File too large" in text
    assert "logs/classifier.log" in text
    assert entries(output)["check"]["status"] == "done"
    assert not list(output.rglob("*.tmp"))
    assert "done" in run(root, output, "--to", "classifier")
    assert (output / "classifier/model_final.pth").read_bytes() == weights.read_bytes()
