"""``pip install .`` into an environment of its own, used from an empty folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.pipeline.tiny_root import TINY, write_tiny_root

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A virtual environment with the package; the libraries are those of this Python."""
    folder = tmp_path_factory.mktemp("environment")
    run = {"check": True, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], **run)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    # After its own packages; an editable install of this project there is not started by a path.
    (packages / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    command += ["--target", str(packages), str(PROJECT)]
    subprocess.run(command, **run)
    return folder


def test_every_step_works_from_an_empty_folder(environment, tmp_path):
    root, empty = write_tiny_root(tmp_path / "root"), tmp_path / "empty"
    empty.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def bestie(*words: object) -> str:
        command = [environment / "bin/python", "-m", "bestie", *words]
        done = subprocess.run(
            list(map(str, command)), cwd=empty, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert str(environment) in bestie("doctor")
    (names,) = environment.rglob("bestie/configs/voc_classes.txt")
    assert len(names.read_text().split()) == 20
    assert "no error(s)" in bestie("check", root, "--supervision", "tags")
    bestie("run", "--data", root, "--supervision", "tags", "--output", "run", *TINY)
    config, weights = "run/bestie/config.yaml", "run/bestie/model_final.pth"
    bestie("export", "--config-file", config, "--output", "l.json", "MODEL.WEIGHTS", weights)
    bestie("predict", "--run", "run/maskrcnn", "--input", root / "JPEGImages", "--output", "found")
    bestie("train", "--config-file", "run/maskrcnn/config.yaml", "OUTPUT_DIR", "again")
    for made in ("run/report.html", "l.json", "found/predictions.json", "again/model_final.pth"):
        assert (empty / made).is_file()
    code = "import bestie; model = bestie.load('run'); print(bestie.__file__, model.weights)"
    done = subprocess.run(
        [environment / "bin/python", "-c", code], cwd=empty, env=variables, capture_output=True
    )
    found, used = done.stdout.decode().split()
    assert found.startswith(str(environment)) and used == "run/maskrcnn/model_final.pth"
