"""tools/visualize.py on a tiny root: what it accepts and what it says to mistakes."""

import subprocess
import sys

import pytest

from bestie.files import read_image, write_coco
from tests.evaluation.tiny_data import OBJECTS, coco_of
from tests.visualization.conftest import TOOL


def run(tool, *arguments) -> None:
    tool.main(tool.parse_arguments([str(argument) for argument in arguments]))


def test_sheet_of_chosen_images_and_label_files(tool, dataset, tmp_path, capsys):
    write_coco(tmp_path / "labels.json", coco_of([f"img{i}" for i in range(5)], OBJECTS))
    output = tmp_path / "sheet.png"
    labels = [tmp_path / "labels.json", f"BESTIE={tmp_path / 'labels.json'}"]
    run(
        tool,
        *("--dataset", dataset, "--output", output, "--side", 64, "--layers", "image", "gt"),
        *("--ids", "img3", "101", "--labels", *labels),
    )
    height, width = read_image(output).shape[:2]
    assert width == 4 * 64 + 5 * 8
    assert f"{output}: 2 images, {width} x {height} pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "a.jpg"], r"--output must end in \.png, got a\.jpg"),
        (["--number", "0"], "--number must be 1 or more, got 0"),
        (["--side", "5"], r"--side must lie in \[32, 4096\], got 5"),
        (["--ids", "img0", "img9"], r"--ids: img9 not among the 5 images .*\(img0, img1"),
        (["--labels", "nothing.json"], "nothing.json: file does not exist"),
        (["--labels", "a/x.json", "b/x.json"], "two columns are called 'x'"),
        (["--points", "Peak_points"], "the image has no points in Peak_points"),
        (["--dataset", "voc"], "data set 'voc' is not known"),
    ],
)
def test_mistakes_are_named(tool, dataset, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(tool, "--dataset", dataset, "--output", tmp_path / "sheet.png", *arguments)
    assert not (tmp_path / "sheet.png").exists()


def test_mistakes_end_in_one_line_without_a_traceback(tmp_path):
    arguments = ["--dataset", f"folder:{tmp_path}/nothing:train", "--output", "sheet.png"]
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(TOOL.parents[1]), "PATH": ""},
    )
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1].startswith("visualize.py: ") and "Traceback" not in done.stderr
    )
