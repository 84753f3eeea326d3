"""Rows about the number of images."""

import os
import signal

import torch

from bestie.benchmark import Bench
from bestie.benchmark.size_rows import (
    WORKERS,
    _empty_memory,
    _memory_row,
    memory_of_workers,
    size_rows,
)


def test_every_step_is_measured_at_each_number_of_images(monkeypatch):
    monkeypatch.setenv("BESTIE_CACHE", "/nowhere")
    rows = list(size_rows(Bench(torch.device("cpu"), quick=True)))
    assert len(rows) == 16 and os.environ["BESTIE_CACHE"] == "/nowhere"
    *steps, first, later = rows[:-3]
    assert [row.setting for row in rows[-3:]] == ["10 images", "20 images", "60 images"]
    assert all("MiB in the process; each of 2 workers" in row.value for row in rows[-3:])
    assert "fingerprint" in later.name
    assert all(row.setting == "10 / 20 / 60 images" and "exponent" in row.value for row in steps)
    assert "images per second and core" in first.value and later.value.endswith(" s")
    assert all(row.met is None for row in rows)  # nothing is judged at this size


class Growing:
    """Dicts that a worker keeps once it has read them."""

    def __init__(self, number, mebibytes):
        self.number, self.mebibytes, self.kept = number, mebibytes, []

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        self.kept.append(bytes(self.mebibytes * 2**20 // self.number) + b"1")
        return {}


def test_memory_of_a_worker_is_what_it_does_not_share():
    shared = [{"name": str(index)} for index in range(10)]
    assert all(memory < 4 for memory in memory_of_workers(shared))
    growing = Growing(100, 64)
    found = memory_of_workers(growing)
    assert len(found) == WORKERS and all(60 < memory < 80 for memory in found)
    assert growing.kept == []  # it happened in the workers


class Deadly(Growing):
    """Dicts that end the first worker that reads them, and no other."""

    def __getitem__(self, index):
        try:
            self.marker.touch(exist_ok=False)
        except FileExistsError:
            return {}
        os.kill(os.getpid(), signal.SIGKILL)


def test_memory_of_a_worker_that_was_killed_is_not_known(tmp_path):
    dicts = Deadly(1, 1)
    dicts.marker = tmp_path / "read"
    found = memory_of_workers(dicts)
    assert len(found) == WORKERS and found.count(None) == 1


def test_memory_is_unknown_where_the_system_does_not_say():
    assert _memory_row(1000, 1.0, [0.5, 0.25]).value == (
        "+1.0 MiB in the process; each of 2 workers more: +0.5 MiB, +0.2 MiB"
    )
    assert _memory_row(1000, 1.0, [None, 0.25]).value == "not known on this system"


def test_the_usual_folder_of_the_memory_comes_back(tmp_path, monkeypatch):
    monkeypatch.delenv("BESTIE_CACHE", raising=False)
    with _empty_memory(tmp_path):
        assert os.environ["BESTIE_CACHE"] == str(tmp_path)
    assert "BESTIE_CACHE" not in os.environ
