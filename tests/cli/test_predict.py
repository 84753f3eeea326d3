"""`bestie predict`: its command line, and mistakes that end in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from bestie.cli import predict as tool
from tests.training.test_export import BESTIE
from tests.training.test_predict import checkpoint, save_image

TOOL = Path(__file__).parents[2] / "tools" / "demo.py"


def test_settings_may_follow_the_images(tmp_path):
    (tmp_path / "README").write_text("")
    common = ["--config-file", "c.yaml", "--output", "out"]
    args = tool.parse_arguments([*common, "--input", "a.jpg", "B", "MODEL.WEIGHTS", "w.pth"])
    assert (args.input, args.opts) == (["a.jpg"], ["B", "MODEL.WEIGHTS", "w.pth"])
    args = tool.parse_arguments(
        ["--input", "a.jpg", str(tmp_path / "README"), *common, "SEED", "1"]
    )
    assert (args.input, args.opts) == (["a.jpg", str(tmp_path / "README")], ["SEED", "1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-score", "2"], "--min-score must lie in"),
        (["--side", "3"], "--side must lie in"),
        (["--input", "nowhere.jpg"], "nowhere.jpg: is not a file or folder"),
        (["--input", "SEED", "3"], "--input names no image"),
        (["--run", "{tmp}"], "has no config.yaml and no model_final.pth"),
        (["--classes", "{tmp}/none.txt", "--run", "{tmp}/run"], "none.txt: file does not exist"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, message):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "model_final.pth"):
        (tmp_path / "run" / name).write_text("")
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    if "--run" not in given:
        given += ["--config-file", "c.yaml"]
    if "--input" not in given:
        given += ["--input", str(tmp_path / "a.png")]
    with pytest.raises(ValueError, match=message):
        tool.main(["--output", str(tmp_path / "out"), *given])


def test_the_folder_of_a_run_and_of_a_training_give_the_same(tmp_path):
    save_image(tmp_path / "a.jpg")
    checkpoint(tmp_path / "run/last", BESTIE)
    (tmp_path / "run/manifest.json").write_text('{"stages": {"check": {}, "last": {}}}')
    found = []
    for number, run in enumerate(("run", "run/last")):
        given = ["--run", tmp_path / run, "--input", tmp_path / "a.jpg", "--min-score", "0"]
        output = tmp_path / f"out{number}"
        tool.main([*map(str, given), "--output", str(output), "MODEL.DEVICE", "cpu"])
        found.append((output / "predictions.json").read_text())
    assert found[0] == found[1]


def test_a_mistake_ends_in_one_line(tmp_path):
    command = [sys.executable, TOOL, "--run", tmp_path, "--input", tmp_path / "no", "--output", "o"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"demo.py: {tmp_path / 'no'}: is not a file or folder"
    )
    assert "Traceback" not in done.stderr
