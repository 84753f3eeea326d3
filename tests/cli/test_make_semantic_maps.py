"""The command that writes weak semantic maps, and the one that only looks at them."""

import pytest

from bestie.cli import make_semantic_maps
from bestie.formats import read_semantic_map
from tests.evaluation.tiny_data import HEIGHT, WIDTH, write_root
from tests.methods.pam.tiny_classifier import write_classifier


def test_the_root_gets_maps_and_their_ledger(tmp_path, capsys):
    root = tmp_path / "root"
    name = write_root(root)
    cfg = write_classifier(tmp_path / "model", name)
    arguments = ["--config-file", str(tmp_path / "model/config.yaml")]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    with pytest.raises(SystemExit, match="holds 5 of the files already, made differently"):
        make_semantic_maps.main([*arguments, *opts])
    make_semantic_maps.main([*arguments, "--overwrite", *opts])
    assert "after refinement" in capsys.readouterr().out
    assert read_semantic_map(root / "WSSS_maps/img0.png").shape == (HEIGHT, WIDTH)
    assert (root / "WSSS_maps/supervision_ledger.json").is_file()


def test_existing_maps_are_checked_without_a_classifier(tmp_path, capsys):
    tool = make_semantic_maps
    with pytest.raises(ValueError, match="--check needs --dataset"):
        tool.work(tool.parse_arguments(["--check"]))
    tool.work(tool.parse_arguments(["--check", "--dataset", write_root(tmp_path / "root")]))
    assert "no pixel is ignored" in capsys.readouterr().out


def test_the_check_takes_one_process_and_writes_its_report_only(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "root/WSSS_maps").iterdir()}
    arguments = ["--check", "--dataset", name, "--report", str(tmp_path / "report")]
    make_semantic_maps.main([*arguments, "--num-processes", "2", "MODEL.DEVICE", "cpu"])
    assert "no pixel is ignored" in capsys.readouterr().out
    assert (tmp_path / "report/maps.json").is_file()
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "root/WSSS_maps").iterdir()}
    assert after == before
