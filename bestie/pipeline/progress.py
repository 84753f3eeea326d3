"""What a person sees of a run: the progress of each stage, and tables at the end.

On a terminal the line of the running stage is updated every second: bar, elapsed and remaining
time. Elsewhere (a log, a pipe) a stage writes a line when it starts or ends, and in between a line
every 30 seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tabulate import tabulate

from bestie.pipeline.stage import Decision
from bestie.progress import SECONDS_BETWEEN_LINES, duration
from bestie.report.results import METRICS, limits_note

__all__ = ["Progress", "results_table", "stage_table"]

# The remaining time is estimated once this share of a stage is done.
MIN_SHARE = 0.02
SECONDS_BETWEEN_UPDATES = 1.0  # on a terminal
PAUSE_FACTOR = 50  # pause between two looks at the progress, per time that a look takes
BAR_WIDTH = 10  # characters
# Characters that the end of a line is padded to, so that nothing of the line before it stays; with
# the head of a line it fits into 80 columns.
WIDTH = 55


class Progress:
    """Lines about the stages, written to a stream."""

    def __init__(self, names: Sequence[str], stream: TextIO | None = None):
        """
        Args:
            names: of all stages, in order.
            stream: where to write; None: standard output.
        """
        self.names, self.stream = list(names), stream or sys.stdout
        self._is_terminal = self.stream.isatty()
        self._started = self._last = self._looking = 0.0
        # Elapsed seconds and share that the pace is measured from.
        self._reference: tuple[float, float] | None = None
        self._expected: float | None = None
        # Whether a stage's line is unfinished; and whether a note stands in its middle.
        self._running = self._torn = False

    def note(self, line: str) -> None:
        """A line of its own, also while a stage runs."""
        self._write(f"\n{line}" if self._running else f"{line}\n")
        self._torn = self._running

    def passed(self, name: str, decision: Decision, seconds: float | None = None) -> None:
        """A stage that does not run."""
        took = f" (took {duration(seconds)})" if seconds is not None else ""
        what = "unchanged" + took if decision.action == "keep" else f"skipped: {decision.reason}"
        self._write(f"{self._head(name)}{what}\n")

    def begin(self, name: str, decision: Decision, expected: float | None) -> None:
        """A stage starts."""
        self._started, self._last = time.monotonic(), 0.0
        # Where a resumed stage begins is known once its first share is.
        self._reference = None if decision.action == "resume" else (0.0, 0.0)
        self._expected = expected
        text = "" if decision.reason == "not done yet" else f"{decision.reason}; "
        text += f"expected {duration(expected)}" if expected else "started"
        self._write(f"{self._head(name)}{text} ... ")
        self._running = True

    def tick(self, name: str, share_done: Callable[[], float | None]) -> None:
        """Show how far a stage is, unless that was shown a moment ago.

        Args:
            name: of the stage.
            share_done: gives the share that is done, in [0, 1]; None: not known.
        """
        elapsed = time.monotonic() - self._started
        pause = SECONDS_BETWEEN_UPDATES if self._is_terminal else SECONDS_BETWEEN_LINES
        # Looking takes longer the more files there are; it gets a small share of the time.
        if elapsed - self._last < max(pause, PAUSE_FACTOR * self._looking):
            return
        self._last, began = elapsed, time.monotonic()
        share = share_done()
        self._looking = time.monotonic() - began
        text = self._state(elapsed, share)
        if self._is_terminal:
            self._write(f"\r{self._head(name)}{text:<{WIDTH}}")
        else:
            self.note(f"{self._head(name)}{text}")

    def end(self, name: str, seconds: float, memory: float) -> None:
        """A stage is done."""
        text = f"done in {duration(seconds)}, {memory:.0f} MiB"
        self._finish(name, text)

    def fail(self, name: str) -> None:
        """A stage failed; why is said elsewhere."""
        self._finish(name, "failed")

    def _state(self, elapsed: float, share: float | None) -> str:
        """ "[####......]  42%, 1 min 05 s, 1 min 30 s left", as much of it as is known."""
        parts = [duration(elapsed)]
        if share is not None:
            bar = "#" * int(share * BAR_WIDTH)
            parts.insert(0, f"[{bar:.<{BAR_WIDTH}}] {share:4.0%}")
        left = self._left(elapsed, share)
        if left is not None:
            parts.append(f"about {duration(left)} left" if left >= 1 else "finishing")
        return ", ".join(parts)

    def _left(self, elapsed: float, share: float | None) -> float | None:
        """Seconds that the running stage still takes, from its own pace or from the last run."""
        if share is not None:
            self._reference = self._reference or (elapsed, share)
            since, before = self._reference
            if share - before >= MIN_SHARE:
                return (elapsed - since) * (1 - share) / (share - before)
        return max(0.0, self._expected - elapsed) if self._expected else None

    def _finish(self, name: str, text: str) -> None:
        if self._torn:
            self._write(f"\n{self._head(name)}{text}\n")
        elif self._is_terminal:
            self._write(f"\r{self._head(name)}{text:<{WIDTH}}\n")
        else:
            self._write(f"{text}\n")
        self._running = self._torn = False

    def _head(self, name: str) -> str:
        number = f"[{self.names.index(name) + 1}/{len(self.names)}]"
        width = max(map(len, self.names))
        return f"{number:>7} {name:<{width}}  "

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def stage_table(stages: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    """Stage, status, time and memory."""
    rows = []
    for name in names:
        entry = stages.get(name, {})
        seconds, memory = entry.get("seconds"), entry.get("peak_memory_mib")
        rows.append(
            [
                name,
                entry.get("status", "not run"),
                "" if seconds is None else duration(seconds),
                "" if memory is None else f"{memory:.0f} MiB",
            ]
        )
    return tabulate(rows, ["stage", "status", "time", "memory"], tablefmt="pipe")


def results_table(folder: Path, titles: Mapping[str, str]) -> str:
    """The metrics of evaluation/results.json; "" if there are none.

    Args:
        folder: of the pipeline.
        titles: of the models, by name.
    """
    try:
        results = json.loads((folder / "evaluation/results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if "skipped" in results:
        return f"Not evaluated: {results['skipped']}"
    rows = [
        [title, *(results[key].get(metric) for metric in METRICS)]
        for key, title in titles.items()
        if results.get(key)
    ]
    table = tabulate(rows, ["percent", *METRICS.values()], tablefmt="pipe", floatfmt=".1f")
    return "\n\n".join(filter(None, [results["dataset"], table, limits_note(results, titles)]))
