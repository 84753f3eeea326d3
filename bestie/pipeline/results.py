"""The numbers of a table: published ones beside those of our runs, with mean and spread over seeds.

:class:`Results` collects the values of rows and seeds, and writes them as JSON and Markdown.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bestie.formats import atomic_write, to_json
from bestie.pipeline.tables import Row, Table, Values
from bestie.progress import duration

__all__ = ["USUAL", "Results", "mean_and_spread"]

NOTHING = "-"
# Facts that results.md leaves out; results.json has them.
USUAL = {"split": "train", "val_split": "val"}


def mean_and_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation of the numbers among some values.

    The mean is None if one of the values is not defined (or there is none at all), the deviation
    if there are fewer than two.
    """
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return None, None
    spread = statistics.stdev(numbers) if len(numbers) > 1 else None
    return statistics.mean(numbers), spread


@dataclass
class Results:
    """Values of a table's rows.

    Attributes:
        table: the table.
        facts: of our runs, in words: "preset", "data", "seeds", ...
        rows: of the table that were asked for, in order.
        values: row -> seed -> values of that run.
        seconds: row -> seed -> time of the stages that this row did itself.
    """

    table: Table
    facts: Mapping[str, Any]
    rows: Sequence[Row]
    values: dict[str, dict[int, Values]] = field(default_factory=dict)
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, row: Row, seed: int, values: Values, seconds: float) -> None:
        """Note what the run of a row gave."""
        self.values.setdefault(row.name, {})[seed] = values
        self.seconds.setdefault(row.name, {})[seed] = seconds

    @property
    def columns(self) -> list[str]:
        """Those of the table, or all that a row has."""
        found = [column for seeds in self.values.values() for v in seeds.values() for column in v]
        published = [column for row in self.rows for column in row.published]
        return list(self.table.columns) or list(dict.fromkeys([*found, *published]))

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "table": self.table.name,
            "title": self.table.title,
            **self.facts,
            "published_setting": self.table.setting,
            "published_source": self.table.source,
            "rows": [self._row(row) for row in self.rows],
        }

    def _row(self, row: Row) -> dict[str, Any]:
        of_seeds = self.values.get(row.name, {})
        summary = {column: self._summary(row, column) for column in self.columns}
        return {
            "name": row.name,
            "title": row.title,
            "settings": dict(row.settings),
            "published": dict(row.published),
            "seeds": {str(seed): values for seed, values in of_seeds.items()},
            "mean": {column: mean for column, (mean, _) in summary.items()},
            "standard_deviation": {column: spread for column, (_, spread) in summary.items()},
            "seconds": {str(seed): time for seed, time in self.seconds.get(row.name, {}).items()},
        }

    def _summary(self, row: Row, column: str) -> tuple[float | None, float | None]:
        values = [found.get(column) for found in self.values.get(row.name, {}).values()]
        return mean_and_spread(values)

    def markdown(self) -> str:
        """The table with everything that one has to know to read it."""
        known = [c for c in self.columns if any(c in row.published for row in self.rows)]
        headers = ["", *(f"{column}, published" for column in known), *self.columns, "time"]
        cells = [
            [
                row.title,
                *(_number(row.published.get(column)) for column in known),
                *(self._cell(row, column) for column in self.columns),
                self._time(row),
            ]
            for row in self.rows
        ]
        align = ["left", *["right"] * (len(headers) - 1)]
        table = tabulate(cells, headers, tablefmt="pipe", colalign=align, disable_numparse=True)
        title = f"{self.table.name.capitalize()}: {self.table.title}"
        return "\n\n".join(filter(None, [title, table, *self._notes()]))

    def _cell(self, row: Row, column: str) -> str:
        mean, spread = self._summary(row, column)
        return _number(mean) + (f" ± {spread:.1f}" if spread is not None else "")

    def _time(self, row: Row) -> str:
        times = list(self.seconds.get(row.name, {}).values())
        return duration(statistics.mean(times)) if times else NOTHING

    def _notes(self) -> list[str]:
        facts = ", ".join(
            f"{name.replace('_', ' ')} {_text(value)}"
            for name, value in self.facts.items()
            if USUAL.get(name) != value
        )
        notes = [
            f"Ours: {facts}; mean ± standard deviation over the seeds where there are several; the "
            "time is that of the stages that a row does not share with one before it."
        ]
        if self.table.setting:
            source = f" ({self.table.source})" if self.table.source else ""
            notes.append(f"Published: {self.table.setting}{source}.")
        why = [f"{row.title}: {row.why}" for row in self.rows if row.why]
        return [
            *notes,
            *([f"No published number: {'; '.join(why)}."] if why else []),
            self.table.note,
        ]

    def write(self, folder: Path) -> None:
        """Write ``results.json`` and ``results.md``."""
        with atomic_write(folder / "results.json") as file:
            file.write(to_json(self.as_dict(), indent=1) + "\n")
        with atomic_write(folder / "results.md") as file:
            file.write(self.markdown() + "\n")


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _text(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
