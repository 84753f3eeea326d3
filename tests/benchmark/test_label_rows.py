"""Rows about labels: what is measured at which settings, and what the numbers are made of."""

import re

import pytest
import torch

from bestie.benchmark import Bench
from bestie.benchmark.label_rows import (
    grouping_rows,
    label_model,
    label_rows,
    refinement_rows,
    scenes_of,
    synchronisation_rows,
)
from bestie.benchmark.scenes import DENSITIES

CPU = torch.device("cpu")


def quick(**settings):
    return Bench(CPU, repeat=1, quick=True, **settings)


def test_scenes_have_the_size_of_the_training_crop_and_the_asked_classes():
    scenes = scenes_of(quick(), "light", 7, 2)
    assert scenes.center.shape == (2, 7, 96, 96)
    assert scenes_of(Bench(CPU), "light", 1, 1).center.shape == (1, 1, 416, 416)


def test_many_classes_are_compared_with_few():
    rows = list(label_rows(quick()))
    assert len(rows) == 5 * len(DENSITIES)
    for start in range(0, len(rows), 5):
        *times, compared = rows[start : start + 5]
        few, many = (
            sum(row.milliseconds for row in times if f"C {number}" in row.setting)
            for number in (20, 80)
        )
        factor, _, per_image = map(float, re.findall(r"\d+\.?\d*", compared.value))
        assert factor == pytest.approx(many / few, abs=0.006)
        assert per_image == pytest.approx(few, abs=0.06)
        assert all(re.fullmatch(r"\d+ instances", row.value) for row in times)


def test_refinement_is_measured_for_both_supervisions_as_a_share_of_the_network():
    rows = list(refinement_rows(quick(network_seconds=2.0)))
    settings = {(row.name, row.setting) for row in rows}
    assert len(settings) == len(rows) == 2 * 2 * len(DENSITIES)
    assert {row.name for row in rows} == {"self-refinement, tags", "self-refinement, clicks"}
    assert all(row.ratio == pytest.approx(row.milliseconds / 2000) for row in rows)


def test_grouping_is_measured_with_and_without_the_mirror_image():
    rows = list(grouping_rows(quick()))
    assert [row.setting.rsplit(", ")[-1] for row in rows] == [
        "without mirror",
        "with mirror",
    ] * len(DENSITIES)
    assert all(row.setting.startswith("94x125, ") and row.milliseconds > 0 for row in rows)


def test_a_step_waits_twice_for_the_device_at_most():
    rows = list(synchronisation_rows(quick()))
    assert [row.setting.split(",")[0] for row in rows] == ["tags", "clicks"]
    for row in rows:
        numbers = [int(part.rsplit(" ")[-1]) for part in row.value.split(", ") if part]
        assert row.met and sum(numbers) == row.synchronisations <= 2


def test_the_part_that_makes_labels_has_no_weights():
    assert not list(label_model("clicks", CPU).parameters())
