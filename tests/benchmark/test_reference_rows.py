"""Rows about the naive version."""

import re

import torch

from bestie.benchmark import Bench
from bestie.benchmark.reference_rows import reference_rows


def test_refinement_and_grouping_are_compared_with_the_naive_version():
    rows = list(reference_rows(Bench(torch.device("cpu"), repeat=1, quick=True)))
    assert [row.name for row in rows] == ["naive self-refinement, tags", "naive grouping"]
    for row in rows:
        factor = int(re.fullmatch(r"x (\d+) of the fast version", row.value)[1])
        assert factor > 1 and row.setting == "medium, C 20, 96x96"
