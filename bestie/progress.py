"""Progress of a loop over images: a bar on a terminal, a line now and then in a log.

Goes to standard error. A log gets whole lines, no carriage returns: one at most every 30 seconds,
and one at the end.
"""

import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from tqdm import tqdm

__all__ = ["SECONDS_BETWEEN_LINES", "duration", "track"]

# Of a log, seconds.
SECONDS_BETWEEN_LINES = 30.0

Item = TypeVar("Item")


def track(items: Collection[Item], name: str, *, unit: str = "image") -> Iterator[Item]:
    """The same items, with progress shown while they are used.

    Args:
        items: a collection of known length.
        name: what is done.
        unit: what an item is, in the singular.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, name, unit=unit)
        return
    total, started = len(items), time.monotonic()
    last = started
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = duration((now - started) * (total - done) / done)
            _log(f"{name}: {done} of {total} {unit}s, about {left} left")
        yield item
    _log(f"{name}: {total} {unit}s in {duration(time.monotonic() - started)}")


def duration(seconds: float | None) -> str:
    """Seconds for people: "42 s", "3 min 05 s", "2 h 10 min"; a dash for None."""
    if seconds is None:
        return "–"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
