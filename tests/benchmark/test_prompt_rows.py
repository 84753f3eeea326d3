"""Rows about masks from clicks: the simulated heads, and what is compared."""

import math
import re

import pytest
import torch

from bestie.benchmark import Bench
from bestie.benchmark.prompt_rows import (
    CLASSES,
    RADIUS,
    SIZE,
    TEACHER,
    _build,
    _discs,
    prompt_rows,
)

BENCH = Bench(torch.device("cpu"), repeat=1, quick=True)


@torch.no_grad()
def test_a_click_finds_a_disc_around_it():
    model = _build(BENCH, TEACHER, "MODEL.POINTWSSIS.PROMPT", "points")
    outputs = _discs(model, torch.zeros(1, 3, *SIZE))
    middle = torch.tensor([[SIZE[0] / 2, SIZE[1] / 2], [60.0, 60.0]])
    sample = {"points": middle, "point_classes": torch.tensor([0, CLASSES - 1])}
    found = model.find(sample, outputs, SIZE, SIZE)
    assert found.pred_classes.tolist() == [0, CLASSES - 1]
    for area in found.pred_masks.areas().tolist():
        assert area == pytest.approx(math.pi * RADIUS**2, rel=0.2)


def test_prompts_are_compared_with_a_pass_of_the_network():
    network, prompts, compared, refined = prompt_rows(BENCH)
    factor = float(re.fullmatch(r"x ([\d.]+)", compared.value)[1])
    expected = 1 + prompts.milliseconds / network.milliseconds
    assert factor == pytest.approx(expected, abs=0.006)
    per_second = int(re.fullmatch(r"(\d+) per second", refined.value)[1])
    assert per_second == pytest.approx(100_000 / refined.milliseconds, abs=0.51)
    assert compared.met is None and refined.met is None
