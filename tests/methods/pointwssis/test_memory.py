"""Memory for one image is bounded, whatever its size and however many clicks it has."""

import os
import re
import subprocess
import sys

import pytest

from tests.training.measure_memory import COLUMNS, ROWS, write_crowd
from tests.training.test_memory import LIMIT, PROJECT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_12_megapixel_photo_with_150_clicks_and_80_classes(tmp_path):
    dataset = write_crowd(tmp_path / "root")
    script = "tests.methods.pointwssis.measure_memory"
    run = subprocess.run(
        [sys.executable, "-m", script, str(tmp_path), dataset],
        cwd=PROJECT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = re.findall(r"^(\w+) (\d+) labels, peak (\d+)$", run.stdout, re.MULTILINE)
    assert [name for name, *_ in found] == ["plain", "points", "refined"]
    for name, labels, peak in found:
        assert int(labels) >= 0.9 * ROWS * COLUMNS, name
        assert int(peak) < LIMIT, name
