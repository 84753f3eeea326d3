"""Rows about the number of images."""

import os

import torch

from bestie.benchmark import Bench
from bestie.benchmark.size_rows import _empty_memory, size_rows


def test_every_step_is_measured_at_each_number_of_images(monkeypatch):
    monkeypatch.setenv("BESTIE_CACHE", "/nowhere")
    rows = list(size_rows(Bench(torch.device("cpu"), quick=True)))
    assert len(rows) == 11 and os.environ["BESTIE_CACHE"] == "/nowhere"
    *steps, first, later = rows
    assert all(row.setting == "10 / 20 / 60 images" and "exponent" in row.value for row in steps)
    assert "images per second and core" in first.value and later.value.endswith(" s")
    assert all(row.met is None for row in rows)  # nothing is judged at this size


def test_the_usual_folder_of_the_memory_comes_back(tmp_path, monkeypatch):
    monkeypatch.delenv("BESTIE_CACHE", raising=False)
    with _empty_memory(tmp_path):
        assert os.environ["BESTIE_CACHE"] == str(tmp_path)
    assert "BESTIE_CACHE" not in os.environ
