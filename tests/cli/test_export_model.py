"""`bestie export-model`: from a training to a file, and mistakes that end in one line."""

import json

import pytest

from bestie.cli import export_model as tool
from tests.evaluation.tiny_data import write_root
from tests.training.test_export import MASK_RCNN
from tests.training.test_export_model import photos, spread_scores
from tests.training.test_predict import checkpoint


def test_a_training_becomes_a_file(tmp_path, capsys):
    config_file, weights = checkpoint(tmp_path / "run", MASK_RCNN)
    spread_scores(weights[1])
    photos(tmp_path / "photos", [(64, 80)] * 12)
    given = ["--config-file", config_file, "--output", str(tmp_path / "out")]
    given += ["--input", str(tmp_path / "photos"), *weights, "TEST.DETECTIONS_PER_IMAGE", "3"]
    tool.main(given)
    assert "the same 30 instances as the model in 10 images" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/model.json").read_text())["format"] == "torchscript"
    assert (tmp_path / "out/model.ts").is_file()


def test_the_data_of_the_training_is_taken_where_it_is_available(tmp_path):
    name = write_root(tmp_path / "root")
    (tmp_path / "c.yaml").write_text("VERSION: 2\n")
    common = ["--config-file", str(tmp_path / "c.yaml"), "--output", "out"]
    data = ["DATASETS.TEST", f"('folder:{tmp_path}/gone:val',)", "DATASETS.TRAIN", f"('{name}',)"]
    images = tool._images_of_data(tool.parse_arguments([*common, *data]))
    assert images and all(path.is_file() for path in images)
    with pytest.raises(ValueError, match="is not available; give images to compare on: --input"):
        tool._images_of_data(tool.parse_arguments([*common, *data[:2]]))


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="out is a file; a folder is expected"):
        tool.main(["--run", "nowhere", "--output", str(tmp_path / "out")])
