import os
import signal
import subprocess
import sys
import time

import pytest

from bestie.pipeline.manifest import Manifest, hold_lock
from tests.conftest import PROJECT

HEADER = {"command": "c", "data": "/root", "supervision": "tags", "preset": "quick", "options": []}


def write(folder, header=HEADER):
    folder.mkdir(exist_ok=True)
    manifest = Manifest.open(folder, header)
    manifest.update("classifier", status="done", inputs={})
    return manifest


def test_what_was_written_is_read_again(tmp_path):
    write(tmp_path / "run").update("classifier", seconds=1.5)
    again = Manifest.open(tmp_path / "run", HEADER | {"command": "other"})
    assert again.stages == {"classifier": {"status": "done", "inputs": {}, "seconds": 1.5}}
    assert again.content["command"] == "other"


def test_opening_writes_nothing(tmp_path):
    Manifest.open(tmp_path / "run", HEADER)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("data", "/other"), ("supervision", "clicks"), ("preset", "r50")]
)
def test_a_folder_of_another_run_is_refused(tmp_path, key, value):
    write(tmp_path / "run")
    with pytest.raises(ValueError, match=f"holds a run with {key} .*name another --output"):
        Manifest.open(tmp_path / "run", HEADER | {key: value})


def test_a_folder_in_which_only_the_check_ran_can_be_taken_for_other_data(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    manifest = Manifest.open(folder, HEADER)
    manifest.update("check", status="failed", inputs={})
    manifest.update("cues", status="skipped", reason="clicks are given")
    assert Manifest.open(folder, HEADER | {"data": "/other"}).stages == {}


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="not empty .thesis.tex. and holds no manifest.json"):
        Manifest.open(tmp_path, HEADER)
    with pytest.raises(ValueError, match="thesis.tex: is not a folder"):
        Manifest.open(tmp_path / "thesis.tex", HEADER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version": 1,\n "stages": {', "line 2: is not well-formed json"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"[]", "not a manifest of this pipeline"),
        (b'{"version": 1, "stages": []}', "not a manifest of this pipeline"),
        (b'{"version": 7, "stages": {}}', "of version 7, this pipeline writes 1"),
    ],
)
def test_a_damaged_manifest_is_named_and_kept(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Manifest.open(tmp_path, HEADER)
    assert (tmp_path / "manifest.json").read_bytes() == content


def holder(folder, then: str) -> subprocess.Popen:
    """A process that holds the lock of a folder and then runs some code."""
    code = (
        "import subprocess, sys, time\nfrom pathlib import Path\n"
        "from bestie.pipeline.manifest import hold_lock\n"
        f"with hold_lock(Path({str(folder)!r})) as lock:\n    {then}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_second_run_is_refused_until_the_first_one_is_killed(tmp_path):
    first = holder(tmp_path, "print('ready', flush=True); time.sleep(60)")
    with pytest.raises(ValueError, match=f"process {first.pid}. is running there"):
        with hold_lock(tmp_path):
            pass
    first.kill()
    first.wait()
    with hold_lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_the_children_of_a_killed_run_are_waited_for(tmp_path):
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
    child += "pass_fds=[lock])"
    first = holder(
        tmp_path, f"c = {child}; print('ready', flush=True); print(c.pid, flush=True); c.wait()"
    )
    orphan = int(first.stdout.readline())
    first.kill()
    first.wait()
    with pytest.raises(ValueError, match="is running there"):
        with hold_lock(tmp_path, patience=0.5):
            pass
    os.kill(orphan, signal.SIGKILL)
    started = time.monotonic()
    with hold_lock(tmp_path, patience=20):
        assert time.monotonic() - started < 10


def test_the_file_is_whole_at_every_moment(tmp_path, monkeypatch):
    manifest = write(tmp_path / "run")
    before = (tmp_path / "run/manifest.json").read_text()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        manifest.update("check", status="failed")
    assert (tmp_path / "run/manifest.json").read_text() == before
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.json"]


WITHOUT_POSIX = """
import sys
import detectron2.checkpoint, matplotlib.pyplot  # other packages choose by the name of the system
sys.modules["fcntl"] = sys.modules["resource"] = None  # importing them fails, as on Windows
import bestie.pipeline, bestie.benchmark, bestie.report, bestie.cli.doctor
from pathlib import Path
from bestie.pipeline.manifest import hold_lock
try:
    with hold_lock(Path(sys.argv[1])):
        pass
except ValueError as error:
    print(error)
"""


def test_without_the_modules_of_linux_the_package_is_imported_and_the_pipeline_says_so(tmp_path):
    command = [sys.executable, "-c", WITHOUT_POSIX, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    assert "the pipeline runs on Linux and macOS, this is" in done.stdout
    assert not (tmp_path / "run").exists()
