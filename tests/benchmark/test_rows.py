"""Rows of the benchmark: times per image, ratios and targets."""

import torch

from bestie.benchmark.rows import Bench, density_name
from bestie.benchmark.timing import Measurement


def bench(**settings) -> Bench:
    return Bench(torch.device("cpu"), **settings)


def measurement(*seconds: float) -> Measurement:
    return Measurement(seconds, None)


def test_a_time_is_per_image_and_its_ratio_that_to_the_network():
    row = bench(network_seconds=0.5).row("a", "b", measurement(0.2, 0.2, 0.2), images=4)
    assert row.milliseconds == 50 and abs(row.ratio - 0.1) < 1e-9
    assert bench().row("a", "b", measurement(0.2)).ratio is None


def test_targets_are_judged_at_full_size_only():
    slow = measurement(0.2, 0.2, 0.2)
    assert bench().row("a", "b", slow, limit_ms=100).met is False
    assert bench().row("a", "b", slow, limit_ms=300).met is True
    assert bench(quick=True).row("a", "b", slow, limit_ms=100).met is None


def test_settings_are_named_by_density_classes_and_batch():
    assert "C 20" in density_name("dense", 20) and "dense" in density_name("dense", 20)
    assert density_name("dense", 20, 4) != density_name("dense", 20)


def test_curves_of_two_benchmarks_are_their_own():
    first, second = bench(), bench()
    first.curves["area"] = {}
    assert second.curves == {}
