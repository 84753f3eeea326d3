import json

import pytest
import torch

from bestie.benchmark import GROUPS, Bench, Row, run_benchmark
from bestie.benchmark.report import compare, environment, read_rows, table, write_rows
from bestie.benchmark.scaling import fit_exponent
from bestie.benchmark.timing import Measurement
from bestie.formats import DataError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("limits", "met"),
    [
        ({}, None),
        ({"limit_ms": 25}, True),
        ({"limit_ms": 24}, False),
        ({"limit_ms": 25, "limit_ratio": 0.02}, False),
        ({"limit_ms": 25, "limit_ratio": 0.03}, True),
    ],
)
def test_a_row_is_an_images_share_and_is_judged_by_its_limits(limits, met):
    bench = Bench(CPU, network_seconds=1.0)
    row = bench.row("a", "b", Measurement((0.1,), 3.0), images=4, **limits)
    assert (row.milliseconds, row.ratio, row.met) == (25, 0.025, met)


def test_nothing_is_judged_without_the_network_or_when_quick():
    measurement = Measurement((0.1,), None)
    assert Bench(CPU).row("a", "b", measurement, limit_ratio=1).met is None
    assert Bench(CPU, quick=True).row("a", "b", measurement, limit_ms=1000).met is None


def test_json_round_trip_and_table(tmp_path):
    rows = [Row("a", "b", 1.5, 0.1, 0.02, 300.0, 2, "text", "<= 2", True), Row("c", "d")]
    write_rows(tmp_path / "x.json", rows, environment(Bench(CPU)))
    assert read_rows(tmp_path / "x.json") == rows
    assert json.loads((tmp_path / "x.json").read_text())["environment"]["torch"]
    line = table(rows).splitlines()[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["a", "b", "1.5", "10%", "2.00%", "300", "2", "text", "<= 2", "yes"]


def test_comparison_is_by_share_of_the_network_where_both_know_it():
    old = [Row("a", "x", 1.0, ratio=0.1), Row("b", "x", 1.0), Row("gone", "x", 1.0)]
    new = [Row("a", "x", 4.0, ratio=0.2), Row("b", "x", 3.0, ratio=0.2), Row("new", "x", 1.0)]
    lines = compare(old, new).splitlines()[2:]
    assert len(lines) == 2
    assert "10.00%" in lines[0] and "x 2.00" in lines[0]
    assert "ms an image" in lines[1] and "x 3.00" in lines[1]


@pytest.mark.parametrize("content", ["", "{}", '{"rows": [{"nam": 1}]}', "[1]"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="bestie benchmark --json"):
        read_rows(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path / "absent.json")


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_exponent_of_a_power_law(exponent):
    x = [1, 2, 4, 8, 16]
    assert fit_exponent(x, [3 * value**exponent for value in x]) == pytest.approx(exponent)


def test_label_rows_run_and_rows_of_a_gpu_are_never_invented():
    bench = Bench(CPU, repeat=1, quick=True)
    rows, _ = run_benchmark(bench, ["synchronisations", "peaks"])
    measured = {row.name: row for row in rows}
    assert measured["device synchronisations a training step"].met
    assert measured["peak extraction"].milliseconds > 0
    gpu = measured["GPU: synchronisations as PyTorch reports them"]
    assert gpu.value == "not measured (no GPU)" and gpu.met is None
    with pytest.raises(ValueError, match="rows must be some of network, .*; got speed"):
        run_benchmark(bench, ["speed"])


@pytest.mark.slow
def test_every_group_runs_quickly():
    rows, curves = run_benchmark(Bench(CPU, repeat=1, quick=True), list(GROUPS))
    assert {row.name for row in rows} >= {"training step", "naive grouping", "grouping"}
    assert len(curves) == 2 and all(len(series) == 3 for series in curves.values())
