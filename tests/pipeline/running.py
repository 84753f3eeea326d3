"""Starting tools/run_pipeline.py on the tiny root, as a user would, in a process of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import PROJECT
from tests.pipeline.tiny_root import TINY


def start(
    root: Path,
    output: Path,
    *arguments: str,
    prefix: tuple[str, ...] = (),
    supervision: str = "tags",
    options: tuple[str, ...] = TINY,
):
    """The running pipeline; what it prints is in its ``stdout``."""
    command = [
        *prefix,
        *(sys.executable, str(PROJECT / "tools/run_pipeline.py")),
        *("--data", str(root), "--supervision", supervision, "--output", str(output)),
        *("--preset", "quick"),
        *arguments,
        *options,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=output.parent
    )


def run(root: Path, output: Path, *arguments: str, status: int = 0, **how) -> str:
    """Run it to its end; what it printed. ``how``: as for :func:`start`."""
    process = start(root, output, *arguments, **how)
    text, _ = process.communicate(timeout=900)
    assert process.returncode == status, text
    assert "Traceback" not in text, text
    return text


def entries(output: Path) -> dict[str, dict]:
    """The stages of the manifest; empty before there is one."""
    try:
        return json.loads((output / "manifest.json").read_text())["stages"]
    except FileNotFoundError:
        return {}


def wait_for(output: Path, stage: str, process: subprocess.Popen) -> None:
    """Wait until a stage is running."""
    while entries(output).get(stage, {}).get("status") != "running":
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def kill_at(output: Path, stage: str, process: subprocess.Popen, seconds: float) -> None:
    """Kill a run so long after a stage began, or when the stage ends; nothing of it is left."""
    wait_for(output, stage, process)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and entries(output)[stage]["status"] == "running":
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[0]
    process.kill()
    process.communicate()
    time.sleep(1)
    assert not processes_of(output), "the killed run left processes behind"


def processes_of(output: Path) -> list[int]:
    """Processes that have a file of the folder open; all of a run inherit its lock."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            files = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(file.startswith(f"{output}/") for file in files):
            found.append(int(process.name))
    return found
