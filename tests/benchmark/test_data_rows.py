"""Rows about data: the loader, and the memory of an export."""

import re

import pytest
import torch
from detectron2.data import DatasetCatalog

from bestie.benchmark import Bench
from bestie.benchmark.data_rows import export_memory, loader_rows, write_benchmark_root
from bestie.data.checks.dataset import inspect_dataset
from bestie.formats import read_image

CPU = torch.device("cpu")


def test_the_loader_is_compared_with_decoding_alone():
    rows = list(loader_rows(Bench(CPU, repeat=1, quick=True, workers=(0,))))
    loader, alone, compared = rows
    assert loader.setting == alone.setting == compared.setting == "94x125 JPEG, 0 workers"
    factor, speed = map(float, re.findall(r"[\d.]+", compared.value))
    assert factor == pytest.approx(loader.milliseconds / alone.milliseconds, abs=0.006)
    assert speed == pytest.approx(1000 / loader.milliseconds, abs=0.51)
    assert compared.met is None  # nothing is judged at this size


def test_images_and_labels_that_are_loaded_have_no_mistake(tmp_path):
    dataset = write_benchmark_root(tmp_path, 2, (94, 125), seed=0)
    needs = {"images", "tags", "maps", "peak_points"}
    report = inspect_dataset(tmp_path, "train", needs=needs)
    assert not [p for p in report.problems if p.severity == "error"]
    records = DatasetCatalog.get(dataset)
    assert len(records) == 2 and read_image(records[0]["file_name"]).shape == (94, 125, 3)


def test_memory_of_a_short_export_is_shown_and_not_judged():
    row = export_memory(Bench(CPU, quick=True))
    assert row.setting.startswith("200 images of 48x64") and row.milliseconds is None
    assert "MiB after 100" in row.value or row.value == "not known on this system"
    assert row.met is None


@pytest.mark.slow
def test_memory_of_the_export_does_not_grow_after_500_of_10000_images():
    row = export_memory(Bench(CPU))
    assert row.met is not False, row.value
