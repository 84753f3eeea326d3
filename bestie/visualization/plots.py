"""Curves, histograms and bar charts as PNG bytes, in one style that stays readable on a phone.

Takes numbers, or Detectron2's ``metrics.json``, and returns PNG bytes: 800 pixels wide, letters of
12 points at 160 dpi, so that they stay legible when a phone shows the picture at 360 pixels.
Matplotlib's global state is not changed.
"""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bestie.formats import DataError

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

__all__ = ["plot_bars", "plot_curves", "plot_histogram", "read_metrics"]

logger = logging.getLogger(__name__)

# The colors of Okabe and Ito, which color-blind readers can distinguish, without the yellow, which
# is not visible on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
STYLE: "dict[RcKeyType, Any]" = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "axes.prop_cycle": cycler(color=COLORS),
}
WIDTH, DPI = 5.0, 160


def read_metrics(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read Detectron2's ``metrics.json``: one JSON object per line.

    Where a resumed run logged an iteration again, the later line counts; an incomplete last
    line of an interrupted run is skipped.

    Returns:
        name -> (iterations (T,) int64 ascending, values (T,) float64), for every metric of numbers.

    Raises:
        DataError: no such file, a broken line before the last, or no line at all.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from None
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text", path) from None
    series: dict[str, dict[int, float]] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            iteration = int(record.pop("iteration"))
        except (ValueError, KeyError, AttributeError, TypeError):
            if number == len(lines):
                logger.warning("%s: the last line is incomplete and is skipped.", path)
                break
            raise DataError("is not a JSON object with an 'iteration'", path, number) from None
        for name, value in record.items():
            if value is None:  # not defined: written as null, since NaN is not json
                value = float("nan")
            if isinstance(value, int | float):
                series.setdefault(name, {})[iteration] = float(value)
    if not series:
        raise DataError("holds no metrics", path)
    return {name: _sorted_arrays(values) for name, values in series.items()}


def plot_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str = "",
    xlabel: str = "iteration",
    ylabel: str = "",
    log: bool = False,
    smooth: bool = True,
) -> bytes:
    """Draw lines over iterations, at most seven of them.

    Args:
        curves: label -> (x (T,), y (T,)). Values that are not finite are left out.
        title: above the chart.
        xlabel: of the x axis.
        ylabel: of the y axis.
        log: logarithmic y axis.
        smooth: curves of 40 points and more are drawn pale, with their running mean on top.

    Raises:
        ValueError: no curve, none has a finite value, or there are more than seven.
    """
    if len(curves) > len(COLORS):
        raise ValueError(f"A chart shows at most {len(COLORS)} curves, got {len(curves)}.")
    finite = {name: _finite(*curve) for name, curve in curves.items()}
    if not any(len(x) for x, _ in finite.values()):
        raise ValueError(f"No curve has a finite value: {', '.join(curves) or 'none given'}.")
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(title, xlabel, ylabel)
        for (name, (x, y)), color in zip(finite.items(), COLORS, strict=False):
            if smooth and len(x) >= 40:
                axes.plot(x, y, color=color, alpha=0.25, linewidth=1)
                axes.plot(x, _running_mean(y, len(y) // 20), color=color, label=name)
            else:
                marker = "o" if len(x) < 15 else None
                axes.plot(x, y, color=color, marker=marker, markersize=5, label=name)
        if log:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.margins(x=0.02)
        if len(finite) > 1:
            _legend_below(figure, list(finite))
        return _png(figure)


def plot_histogram(
    values: Sequence[float] | np.ndarray,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    bins: int | Sequence[float] = 20,
) -> bytes:
    """Draw the distribution of values, its median marked.

    Whole numbers with at most 30 different values between smallest and largest get a bar each.

    Raises:
        ValueError: no value is finite.
    """
    numbers = np.asarray(values, np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) == 0:
        raise ValueError(f"No finite value for the histogram '{title}'.")
    whole = isinstance(bins, int) and (numbers == np.round(numbers)).all() and np.ptp(numbers) <= 30
    edges = (np.arange(np.min(numbers), np.max(numbers) + 2) - 0.5).tolist() if whole else bins
    median = float(np.median(numbers))
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(title, xlabel, ylabel)
        axes.hist(numbers, bins=edges, color=COLORS[0], edgecolor="white", linewidth=0.6)
        label = f"median {median:.3g}"
        axes.axvline(median, color=COLORS[1], linewidth=2, label=label)
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=bool(whole)))
        _legend_below(figure, [label])
        return _png(figure)


def plot_bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    title: str = "",
    xlabel: str = "",
    number_format: str = "{:.3g}",
) -> bytes:
    """Draw horizontal bars, a group a name and a bar a series, each labeled with its value.

    Args:
        names: of the N groups, from top to bottom.
        series: label -> N values; NaN leaves a gap that says "n/a".
        title: above the chart.
        xlabel: of the values.
        number_format: of the values next to the bars.

    Raises:
        ValueError: nothing to draw, or a series whose length is not N.
    """
    if not names or not series:
        raise ValueError(f"Nothing to draw in the bar chart '{title}'.")
    for label, values in series.items():
        if len(values) != len(names):
            raise ValueError(f"'{label}' has {len(values)} values for {len(names)} names.")
    thickness = 0.8 / len(series)
    positions = np.arange(len(names))
    height = 1.1 + 0.3 * (len(series) > 1) + len(names) * max(0.32, 0.24 * len(series))
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(title, xlabel, "", height)
        for index, (label, values) in enumerate(series.items()):
            numbers = np.asarray(values, np.float64)
            y = positions + (index - (len(series) - 1) / 2) * thickness
            lengths = np.nan_to_num(numbers)
            color = COLORS[index % len(COLORS)]
            bars = axes.barh(y, lengths, 0.92 * thickness, color=color, label=label)
            texts = [number_format.format(v) if np.isfinite(v) else "n/a" for v in numbers]
            axes.bar_label(bars, texts, padding=3, fontsize=11)
        axes.set_yticks(positions, list(names))
        axes.set_ylim(len(names) - 0.45, -0.55)
        axes.margins(x=0.14)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if len(series) > 1:
            _legend_below(figure, list(series))
        return _png(figure)


def _sorted_arrays(values: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    iterations = sorted(values)
    return np.array(iterations, np.int64), np.array([values[i] for i in iterations], np.float64)


def _finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x), np.asarray(y, np.float64)
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the values within ``window`` to either side; fewer at the ends."""
    start = values[0]  # sums of differences to it stay exact where the values are constant
    total = np.concatenate([[0], np.cumsum(values - start)])
    index = np.arange(len(values))
    low, high = np.maximum(index - window, 0), np.minimum(index + window + 1, len(values))
    return start + (total[high] - total[low]) / (high - low)


def _figure(title: str, xlabel: str, ylabel: str, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def _legend_below(figure: Figure, labels: Sequence[str]) -> None:
    """A legend below the axes, where it hides no data, in as many columns as its labels allow."""
    columns = min(len(labels), max(1, 52 // (6 + max(len(label) for label in labels))))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.22 * (rows - 1))
    figure.legend(loc="outside lower center", ncols=columns, fontsize=11)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
