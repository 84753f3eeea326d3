"""Training folders between two runs: the last checkpoint, the log of metrics, how far it got.

Finds in the OUTPUT_DIR of a training what the stages need to resume it, and its metrics.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

from bestie.formats import DataError, atomic_write, plain_json, to_json

__all__ = [
    "checkpoints",
    "final_metrics",
    "has_checkpoint",
    "read_rows",
    "share_done",
    "trim_metrics",
]

METRICS = "metrics.json"


def has_checkpoint(folder: Path) -> bool:
    """Whether a training of this folder can be resumed."""
    return (folder / "last_checkpoint").is_file()


def checkpoints(folder: Path) -> dict[int, Path]:
    """Steps done -> periodic checkpoint, in order."""
    found = {}
    for path in folder.glob("model_*.pth"):
        if match := re.fullmatch(r"model_(\d+)\.pth", path.name):
            found[int(match[1]) + 1] = path
    return dict(sorted(found.items()))


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of metrics.json; a line that a killed process left unfinished is skipped."""
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "iteration" in row:
            rows.append(row)
    return rows


def trim_metrics(folder: Path) -> None:
    """Before a training is resumed: drop the rows that it will write again."""
    last = (folder / "last_checkpoint").read_text(encoding="utf-8").strip()
    match = re.search(r"model_(\d+)\.pth", last)
    end = int(match[1]) if match else math.inf
    best = folder / "model_best.json"
    if last == "model_best.pth" and best.is_file():
        end = json.loads(best.read_text(encoding="utf-8"))["iteration"]
    kept = [row for row in read_rows(folder) if row["iteration"] <= end]
    with atomic_write(folder / METRICS) as file:
        file.writelines(to_json(row, sort_keys=True) + "\n" for row in kept)


def share_done(folder: Path, max_iter: int) -> float | None:
    """Share of a training that is done, in [0, 1]; None before its first row of metrics."""
    rows = read_rows(folder)
    return min(1.0, (rows[-1]["iteration"] + 1) / max_iter) if rows else None


def final_metrics(folder: Path) -> dict[str, float | None]:
    """The last evaluation of a training: "voc/mAP50", ... in percent; None where not defined.

    Raises:
        DataError: there is none.
    """
    for row in reversed(read_rows(folder)):
        found = {key: value for key, value in row.items() if key.startswith(("voc/", "segm/"))}
        if found:
            return plain_json(found)
    raise DataError("holds no evaluation", folder / METRICS)
