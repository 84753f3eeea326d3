"""The command that writes the maps of a network that learned weak maps."""

import pytest

from bestie.cli import predict_semantic_maps
from bestie.formats import read_semantic_map
from tests.evaluation.tiny_data import HEIGHT, WIDTH, write_root
from tests.methods.pam.tiny_segmenter import write_segmenter


def test_the_folder_gets_maps_and_their_ledger(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    cfg = write_segmenter(tmp_path / "model", name)
    arguments = ["--config-file", str(tmp_path / "model/config.yaml")]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    # The maps that it learned are not overwritten by accident.
    with pytest.raises(SystemExit, match="holds 5 of the files already, made differently"):
        predict_semantic_maps.main([*arguments, *opts])
    output = tmp_path / "maps"
    predict_semantic_maps.main([*arguments, "--output", str(output), *opts])
    assert "weak maps" in capsys.readouterr().out
    assert read_semantic_map(output / "img0.png").shape == (HEIGHT, WIDTH)
    assert (output / "supervision_ledger.json").is_file()
