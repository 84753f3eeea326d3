"""The benchmark: time, memory and device synchronizations of labels, loader, export and steps.

Takes a device, the groups of rows and the number of repetitions; returns rows for a table and
curves for plots.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

from bestie.benchmark.data_rows import export_rows, loader_rows
from bestie.benchmark.label_rows import (
    grouping_rows,
    label_rows,
    peak_rows,
    refinement_rows,
    synchronisation_rows,
)
from bestie.benchmark.map_rows import map_rows
from bestie.benchmark.network_rows import network_rows, step_rows
from bestie.benchmark.prompt_rows import prompt_rows
from bestie.benchmark.reference_rows import reference_rows
from bestie.benchmark.rows import NOT_MEASURED, Bench, Curves, Row
from bestie.benchmark.scaling import scaling_rows
from bestie.benchmark.size_rows import size_rows

__all__ = ["GROUPS", "Bench", "Row", "run_benchmark"]

logger = logging.getLogger(__name__)

# Name -> rows. "network" comes first: it measures what the others are compared with.
GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "network": network_rows,
    "labels": label_rows,
    "refinement": refinement_rows,
    "grouping": grouping_rows,
    "peaks": peak_rows,
    "maps": map_rows,
    "prompts": prompt_rows,
    "synchronisations": synchronisation_rows,
    "loader": loader_rows,
    "export": export_rows,
    "sizes": size_rows,
    "oracle": reference_rows,
    "scaling": scaling_rows,
    "steps": step_rows,
}


def run_benchmark(bench: Bench, groups: Sequence[str]) -> tuple[list[Row], Curves]:
    """Measure groups of rows.

    Args:
        bench: settings.
        groups: keys of ``GROUPS``, in any order.

    Returns:
        Rows, and the curves of "scaling".

    Raises:
        ValueError: an unknown group.
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown or not groups:
        raise ValueError(f"rows must be some of {', '.join(GROUPS)}; got {', '.join(unknown)}")
    rows: list[Row] = []
    for name, measure_rows in GROUPS.items():
        if name not in groups:
            continue
        logger.info("Measuring %s.", name)
        for row in measure_rows(bench):
            logger.info("%s, %s: %s", row.name, row.setting, row.milliseconds or row.value)
            rows.append(row)
    if bench.device.type != "cuda":
        rows += _gpu_rows(groups)
    return rows, bench.curves


def _gpu_rows(groups: Sequence[str]) -> list[Row]:
    """Rows that need a GPU, marked as not measured."""
    rows = []
    if "steps" in groups:
        rows.append(Row("GPU: training step, refinement on against off", "", target="<= 1.05"))
        rows.append(Row("GPU: training step, bfloat16 against float32", ""))
    if "synchronisations" in groups:
        rows.append(Row("GPU: synchronisations as PyTorch reports them", "", target="<= 2"))
    return [Row(row.name, row.setting, value=NOT_MEASURED, target=row.target) for row in rows]
