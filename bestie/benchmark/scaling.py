"""Cost of refinement and grouping against the number of instances and the area of an image.

Yields rows with a fitted exponent, and curves to plot.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from bestie.benchmark.label_rows import label_model
from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.scenes import simulate
from bestie.benchmark.timing import measure_in_turn
from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.meta_arch import Outputs

__all__ = ["LINEAR", "fit_exponent", "scaling_rows"]

INSTANCES = (1, 2, 4, 8, 16, 32, 64)
SIDES = (208, 294, 416, 588, 832)
COVERAGE = 0.5
CLASSES = 20
# Cost ~ x^exponent; timings scatter.
LINEAR = 1.1


def scaling_rows(bench: Bench) -> Iterator[Row]:
    """Rows of the exponents; the curves behind them are added to those of ``bench``."""
    sides = tuple(side // 4 for side in SIDES) if bench.quick else SIDES
    middle = sides[len(sides) // 2]
    instances = _measure(bench, [(number, middle) for number in INSTANCES])
    yield from _rows(
        bench, "instances an image", f"1 to 64, {middle}x{middle}", INSTANCES, instances
    )
    bench.curves["instances an image"] = _curves(INSTANCES, instances)
    areas = [side**2 for side in sides]
    area = _measure(bench, [(8, side) for side in sides])
    yield from _rows(bench, "area", f"8 instances, {sides[0]}^2 to {sides[-1]}^2", areas, area)
    bench.curves["area, pixels"] = _curves(areas, area)


def fit_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of log y over log x in the upper half of a curve, by least squares.

    Constant costs hide growth where x is small, so the lower half does not count.
    """
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def _measure(bench: Bench, points: list[tuple[int, int]]) -> dict[str, list[float]]:
    """Milliseconds of each call at each (instances, side), all taken by turns."""
    calls = {}
    for index, (number, side) in enumerate(points):
        for name, call in _calls(bench, number, side).items():
            calls[name, index] = call
    measured = measure_in_turn(calls, bench.device, bench.repeat)
    series: dict[str, list[float]] = {}
    for (name, _), measurement in measured.items():
        series.setdefault(name, []).append(1000 * min(measurement.seconds))
    return series


def _calls(bench: Bench, number: int, side: int) -> dict[str, Callable[[], object]]:
    scenes = simulate((number, number), COVERAGE, (side, side), 1, CLASSES, bench.seed)
    scenes = scenes.to(bench.device)
    labels = scenes.labels(bench.device)
    log_probability = scenes.logits.log_softmax(1)
    outputs = Outputs(scenes.logits, scenes.center, scenes.offset)
    maps = log_probability[0].exp(), scenes.center[0], scenes.offset[0]
    calls: dict[str, Callable[[], object]] = {
        "grouping": partial(group_pixels, *maps, cluster=ClusterSettings())
    }
    for supervision in ("tags", "clicks"):
        model = label_model(supervision, bench.device)
        pseudo = model.pseudo_targets(labels, scenes.center.shape)
        calls[f"refinement, {supervision}"] = partial(
            model.refined_targets, labels, log_probability, outputs, pseudo
        )
    return calls


def _rows(
    bench: Bench, what: str, setting: str, x: Sequence[float], series: dict[str, list[float]]
) -> Iterator[Row]:
    for name, y in series.items():
        exponent = fit_exponent(x, y)
        yield Row(
            f"cost against {what}",
            f"{name}, {setting}",
            value=f"exponent {exponent:.2f}; {y[0]:.1f} to {y[-1]:.1f} ms",
            target="linear at worst (exponent <= 1.1)",
            met=bench.judge(exponent <= LINEAR),
        )


def _curves(
    x: Sequence[float], series: dict[str, list[float]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (np.asarray(x), np.asarray(y)) for name, y in series.items()}
