"""The environment with the other Detectron2: its own packages first, then those of this Python."""

import subprocess
from argparse import Namespace
from pathlib import Path

import other_detectron2
import pytest

from installation import detectron2_source


def run(python, code):
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_environment_shares_the_packages_and_puts_its_own_first(tmp_path):
    python = other_detectron2.make_environment(tmp_path / "env")
    own = Path(run(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    assert own.is_relative_to(tmp_path)
    assert run(python, "import pytest; print(pytest.__version__)") == pytest.__version__
    (own / "pytest.py").write_text("__version__ = 'its own'")
    again = other_detectron2.make_environment(tmp_path / "env")  # kept
    assert run(again, "import pytest; print(pytest.__version__)") == "its own"
    (tmp_path / "env" / "made-by.txt").write_text("another Python")
    again = other_detectron2.make_environment(tmp_path / "env")  # made again
    assert run(again, "import pytest; print(pytest.__version__)") == pytest.__version__


@pytest.mark.parametrize("has_python_part", [True, False])
def test_other_version_is_asked_for_and_its_absence_is_named(
    monkeypatch, capsys, has_python_part, tmp_path
):
    commands = []
    monkeypatch.setattr(other_detectron2, "make_environment", lambda folder: "python")
    monkeypatch.setattr(detectron2_source, "is_python_part", lambda: has_python_part)
    monkeypatch.setattr(subprocess, "call", lambda command: commands.append(command) or 1)
    args = Namespace(folder=tmp_path, torch="t", torchvision="v", setuptools="s")
    assert other_detectron2.main(args) == 1
    wanted = detectron2_source.PINNED if has_python_part else detectron2_source.PYPI
    assert commands[0][2:5] == ["--replace", "--detectron2", wanted]
    assert f"the other one, {wanted}, could not be installed" in capsys.readouterr().err
