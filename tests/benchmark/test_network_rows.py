"""Rows about networks: the unit of all others, and judgements of training steps."""

import pytest
import torch

from bestie.benchmark import GROUPS, Bench, run_benchmark
from bestie.benchmark.network_rows import (
    Step,
    _bfloat16_row,
    _class_row,
    _measure_steps,
    _refinement_row,
    build_network,
    network_names,
    network_repeat,
    network_rows,
)
from bestie.benchmark.timing import Measurement
from bestie.methods.bestie.heads import HRNetHead, PanopticDeepLabHead

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def timed(seconds, memory=None):
    return Measurement((seconds,), memory)


def test_the_network_is_the_unit_of_the_other_rows():
    bench = Bench(CPU, repeat=1, quick=True)
    (row,) = network_rows(bench)
    assert bench.network_seconds == pytest.approx(row.milliseconds / 1000)
    assert row.ratio == 1 and "96x96, batch 4" in row.setting


@pytest.mark.parametrize(
    ("name", "head"), [("hrnet_w18_small", HRNetHead), ("resnet18", PanopticDeepLabHead)]
)
def test_each_network_has_its_head(name, head):
    assert name in network_names(Bench(CPU, quick=True))
    model = build_network(name, 3, CPU)
    assert isinstance(model.head, head)


def test_networks_are_repeated_less_on_a_cpu():
    assert network_repeat(Bench(CPU, repeat=9)) == 2
    assert network_repeat(Bench(CPU, repeat=1)) == 1
    assert network_repeat(Bench(CUDA, repeat=9)) == 9


def test_steps_in_bfloat16_are_measured_beside_those_in_float32():
    kinds = [Step(), Step(bfloat16=True)]
    measured = _measure_steps(Bench(CPU, repeat=1, quick=True), "resnet18", 3, kinds)
    assert list(measured) == kinds and all(found.median > 0 for found in measured.values())
    assert [str(kind) for kind in kinds] == ["refinement on", "refinement on, bfloat16"]
    row = _bfloat16_row("a", timed(2.0, 200), timed(1.0, 150))
    assert row.value == "time x 0.50, peak memory x 0.75"
    assert _bfloat16_row("a", timed(2.0), timed(1.0)).value == "time x 0.50"


def test_rows_that_need_a_gpu_are_marked_without_one(monkeypatch):
    monkeypatch.setitem(GROUPS, "steps", lambda bench: iter(()))
    rows, _ = run_benchmark(Bench(CPU, quick=True), ["steps"])
    assert [row.name for row in rows] == [
        "GPU: training step, refinement on against off",
        "GPU: training step, bfloat16 against float32",
    ]
    assert all(row.value == "not measured (no GPU)" for row in rows)


def test_refinement_is_judged_on_a_gpu_only():
    row = _refinement_row(Bench(CUDA), "a", timed(1.0), timed(1.04))
    assert row.met is True and row.value == "x 1.040"
    assert _refinement_row(Bench(CUDA), "a", timed(1.0), timed(1.06)).met is False
    row = _refinement_row(Bench(CPU), "a", timed(1.0), timed(1.04))
    assert row.met is None and "GPU not measured" in row.value


@pytest.mark.parametrize(
    ("few", "many", "met"),
    [
        (timed(1.0, 100), timed(1.2, 120), True),
        (timed(1.0, 100), timed(1.4, 120), False),
        (timed(1.0, 100), timed(1.2, 140), False),
        (timed(1.0), timed(1.2), None),  # the system does not say how much memory there was
    ],
)
def test_many_classes_are_judged_by_time_and_memory(few, many, met):
    row = _class_row(Bench(CPU), "a", few, many)
    assert row.met is met
    assert ("memory" in row.value) == (few.peak_memory is not None)
    assert _class_row(Bench(CPU, quick=True), "a", few, many).met is None
