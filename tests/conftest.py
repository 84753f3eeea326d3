"""Where the reference cases and the small real data sets are, and a count of the cases that ran.

Both live outside the project: BESTIE_REFERENCE_CASES (default ../shared/reference) and
BESTIE_SHARED_DATA (default ../shared/data), relative to the project. Tests that need them skip,
saying so, where they are absent.
"""

import json
import logging
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# A deadline would measure how busy the machine is.
settings.register_profile("bestie", deadline=None)
settings.load_profile("bestie")

PROJECT = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("BESTIE_REFERENCE_CASES", PROJECT / "../shared/reference"))
SHARED_DATA = Path(os.environ.get("BESTIE_SHARED_DATA", PROJECT / "../shared/data"))

_cases_run: Counter = Counter()


@dataclass(frozen=True)
class ReferenceCase:
    """One stored input/output pair."""

    family: str
    path: Path

    def load(self) -> tuple[dict, dict]:
        """Arrays of the npz file and parameters of the json file; counts the case as run."""
        _cases_run[self.family] += 1
        with np.load(self.path, allow_pickle=False) as arrays:
            data = {name: arrays[name] for name in arrays.files}
        return data, json.loads(self.path.with_suffix(".json").read_text())


def reference_cases(family: str) -> list:
    """Parameters of a parity test: every case of a family, or one that skips and says why."""
    paths = sorted((REFERENCE / family).glob("*.npz"))
    if not paths:
        reason = f"no reference cases of family {family} in {REFERENCE} (BESTIE_REFERENCE_CASES)"
        marks = [pytest.mark.reference, pytest.mark.skip(reason=reason)]
        return [pytest.param(None, marks=marks, id="absent")]
    return [
        pytest.param(ReferenceCase(family, path), marks=pytest.mark.reference, id=path.stem)
        for path in paths
    ]


def shared_data(name: str) -> Path:
    """Root of a small real data set; skips the calling test where it is absent."""
    root = SHARED_DATA / name
    if not root.is_dir():
        pytest.skip(f"no {name} in {SHARED_DATA} (BESTIE_SHARED_DATA)")
    return root


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """What tests find in files is not remembered in the user's cache folder."""
    os.environ["BESTIE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def propagating_logs():
    """Detectron2's setup_logger stops the package's logs from reaching pytest's ``caplog``."""
    logging.getLogger("bestie").propagate = True


def pytest_configure(config):
    # Scripts that tests start use this checkout too, whichever one is installed.
    path = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    torch.set_num_threads(int(os.environ.get("BESTIE_TEST_THREADS", "2")))


def pytest_terminal_summary(terminalreporter):
    if _cases_run:
        text = ", ".join(f"{family} {count}" for family, count in sorted(_cases_run.items()))
        terminalreporter.write_line(f"reference cases run: {text}")
    elif not REFERENCE.is_dir():
        terminalreporter.write_line(
            f"reference cases run: none, no folder {REFERENCE} (BESTIE_REFERENCE_CASES)"
        )
