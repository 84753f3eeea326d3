"""Memory for one image is bounded, whatever its size and however many objects it holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.measure_memory import COLUMNS, ROWS, write_crowd

PROJECT = Path(__file__).resolve().parents[2]
LIMIT = 1536  # MiB above the loaded model


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> str:
    return write_crowd(tmp_path_factory.mktemp("crowd") / "root")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["bestie", "maskrcnn"])
def test_a_12_megapixel_photo_with_150_objects_and_80_classes(crowd, tmp_path, kind):
    command = [sys.executable, "-m", "tests.training.measure_memory", str(tmp_path), crowd, kind]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    lines = [line.split() for line in run.stdout.splitlines()]
    measured = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
    assert measured.pop("instances") >= ROWS * COLUMNS * 0.9
    assert set(measured) == {"export", "voc", "coco", "demo"}
    assert max(measured.values()) < LIMIT, measured
