"""The command that measures speed."""

import json

import pytest
import torch

from bestie.benchmark import GROUPS
from bestie.cli import benchmark
from bestie.formats import DataError

QUICK = ["--quick", "--repeat", "1", "--rows", "peaks", "--device", "cpu"]


def test_rows_are_printed_kept_and_compared(tmp_path, capsys):
    benchmark.main([*QUICK, "--json", str(tmp_path / "old.json")])
    printed = capsys.readouterr().out
    assert "peak extraction" in printed and "Against" not in printed
    rows = json.loads((tmp_path / "old.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["peak extraction"] * 2
    benchmark.main([*QUICK, "--compare", str(tmp_path / "old.json")])
    printed = capsys.readouterr().out
    assert printed.split(f"Against {tmp_path / 'old.json'}:")[1].count("peak extraction") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repeat", "0"], "--repeat must be 1 or more"),
        (["--seed", "-1"], "--seed and --workers 0 or more"),
        (["--workers", "1", "-2"], "--seed and --workers 0 or more"),
        (["--device", "meta"], "--device must be cpu or cuda, got meta"),
        (["--rows", "speed"], "rows must be some of network, .*; got speed"),
    ],
)
def test_mistakes_are_named_before_anything_is_measured(arguments, message):
    with pytest.raises(ValueError, match=message):
        benchmark.main([*QUICK, *arguments])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_missing_is_named():
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU"):
        benchmark.main([*QUICK, "--device", "cuda"])


def test_a_file_to_compare_with_is_read_before_the_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *given: pytest.fail("measured"))
    with pytest.raises(DataError, match="none.json"):
        benchmark.main([*QUICK, "--compare", str(tmp_path / "none.json")])


def test_all_groups_are_the_default_and_help_lists_them(capsys):
    assert benchmark.parse_arguments([]).rows == list(GROUPS)
    with pytest.raises(SystemExit):
        benchmark.parse_arguments(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in GROUPS)


def test_curves_are_drawn_into_a_new_folder(tmp_path, monkeypatch):
    line = (torch.arange(1, 5).numpy(), torch.arange(1, 5).numpy())
    curves = {"classes, C": {"targets": line}}
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *given: ([], curves))
    benchmark.main([*QUICK, "--plots", str(tmp_path / "new/plots")])
    picture = tmp_path / "new/plots/cost_classes.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
