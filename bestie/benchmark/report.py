"""The rows as a table, as JSON, and compared with those of an earlier run."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import detectron2
import numpy
import torch
import torchvision
from tabulate import tabulate

import bestie
from bestie.benchmark.rows import Bench, Row
from bestie.formats import DataError, atomic_write, to_json

__all__ = ["compare", "environment", "read_rows", "table", "write_rows"]

HEADERS = (
    "what",
    "on",
    "ms an image",
    "+-",
    "of network",
    "peak MiB",
    "syncs",
    "figure",
    "target",
    "met",
)


def environment(bench: Bench) -> dict[str, object]:
    """Machine, versions and settings of a run."""
    on_gpu = bench.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(bench.device) if on_gpu else "CPU",
        "cpu_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "detectron2": detectron2.__version__,
        "numpy": numpy.__version__,
        "bestie": getattr(bestie, "__version__", ""),
        "seed": bench.seed,
        "repeat": bench.repeat,
        "quick": bench.quick,
    }


def table(rows: Sequence[Row]) -> str:
    """The rows for people, in Markdown."""
    lines = [
        [
            row.name,
            row.setting,
            _text(row.milliseconds, "{:.1f}"),
            _text(row.spread, "{:.0%}"),
            _text(row.ratio, "{:.2%}"),
            _text(row.peak_memory, "{:.0f}"),
            _text(row.synchronisations, "{}"),
            row.value,
            row.target,
            {True: "yes", False: "NO", None: ""}[row.met],
        ]
        for row in rows
    ]
    return tabulate(lines, HEADERS, tablefmt="pipe", disable_numparse=True)


def _text(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def write_rows(path: str | os.PathLike, rows: Sequence[Row], about: Mapping[str, object]) -> None:
    """Write rows and environment as json."""
    with atomic_write(path) as file:
        file.write(to_json({"environment": about, "rows": [asdict(row) for row in rows]}, indent=1))


def read_rows(path: str | os.PathLike) -> list[Row]:
    """Rows of a file that :func:`write_rows` wrote.

    Raises:
        DataError: no such file, or not one of these.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return [Row(**row) for row in content["rows"]]
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from None
    except (ValueError, KeyError, TypeError):
        raise DataError("is not a json of bestie benchmark --json", path) from None


def compare(old: Sequence[Row], new: Sequence[Row]) -> str:
    """New against old times of the rows that both have, as shares of the network where known.

    Shares are what two machines, or two moments of a busy one, can be compared by.
    """
    before = {(row.name, row.setting): row for row in old}
    lines = []
    for row in new:
        other = before.get((row.name, row.setting))
        if other is None or row.milliseconds is None or other.milliseconds is None:
            continue
        if row.ratio and other.ratio:
            pair, form, unit = (other.ratio, row.ratio), "{:.2%}", "of network"
        else:
            pair, form, unit = (other.milliseconds, row.milliseconds), "{:.1f}", "ms an image"
        factor = f"x {pair[1] / pair[0]:.2f}"
        lines.append([row.name, row.setting, *(form.format(value) for value in pair), unit, factor])
    headers = ("what", "on", "old", "new", "unit", "new / old")
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True)
