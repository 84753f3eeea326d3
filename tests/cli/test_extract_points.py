"""The command that writes the cues of a classifier."""

import json

import pytest

from bestie.cli import extract_points
from bestie.formats import read_points
from tests.evaluation.tiny_data import HEIGHT, OBJECTS, WIDTH, write_root
from tests.methods.pam.tiny_classifier import write_classifier


def test_the_root_gets_a_file_per_image_and_a_report(tmp_path, capsys):
    root = tmp_path / "root"
    name = write_root(root)
    cfg = write_classifier(tmp_path / "model", name)
    arguments = ["--config-file", str(tmp_path / "model/config.yaml")]
    arguments += ["--report", str(tmp_path / "report")]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    extract_points.main([*arguments, *opts])
    assert "| total " in capsys.readouterr().out
    assert len(list((root / "Peak_points").glob("*.txt"))) == len(OBJECTS)
    points = read_points(root / "Peak_points/img0.txt")
    assert len(points) and (points.yx < (HEIGHT, WIDTH)).all()
    assert json.loads((tmp_path / "report/cues.json").read_text())["images"] == len(OBJECTS)


def test_a_mistake_ends_the_command_with_one_message(tmp_path):
    name = write_root(tmp_path / "root", tags=False)
    cfg = write_classifier(tmp_path / "model", name)
    arguments = ["--config-file", str(tmp_path / "model/config.yaml"), "--dataset", name]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    with pytest.raises(SystemExit, match="5 images of .* have no tags, the first being .*img0"):
        extract_points.main([*arguments, *opts])
    assert not (tmp_path / "root/Peak_points").exists()
