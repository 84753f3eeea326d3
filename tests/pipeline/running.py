"""Starting tools/run_pipeline.py on the tiny root, as a user would, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.pipeline.tiny_root import TINY


def start(root: Path, output: Path, *arguments: str, prefix: tuple[str, ...] = ()):
    """The running pipeline; what it prints is in its ``stdout``."""
    command = [
        *prefix,
        *(sys.executable, str(PROJECT / "tools/run_pipeline.py")),
        *("--data", str(root), "--supervision", "tags", "--output", str(output)),
        *("--preset", "quick"),
        *arguments,
        *TINY,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=output.parent
    )


def run(root: Path, output: Path, *arguments: str, status: int = 0, prefix=()) -> str:
    """Run it to its end; what it printed."""
    process = start(root, output, *arguments, prefix=prefix)
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
