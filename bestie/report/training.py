"""Curves of the trainings: losses, metrics, share of guided pixels.

One section of the page, from what the trainings logged.
"""

from collections.abc import Mapping

import numpy as np

from bestie.report.run_folder import RunFolder
from bestie.visualization import plot_curves
from bestie.visualization.page import Block, Figure, Figures, Heading, Paragraph, Section, chart_uri

__all__ = ["curve_figure", "training_section"]

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
# A chart shows so many lines.
MAX_CURVES = 7
METRICS = ("voc/mAP25", "voc/mAP50", "voc/mAP75", "segm/AP", "segm/AP50", "tags/mAP", "tags/F1")


def training_section(run: RunFolder) -> Section:
    """The curves of each training."""
    blocks: list[Block] = []
    for stage in run.plan.trainings:
        curves = run.metrics(stage)
        blocks.append(Heading(run.title(stage)))
        if curves:
            last = max(int(iterations[-1]) for iterations, _ in curves.values())
            blocks.append(Paragraph(f"Logged up to iteration {last}."))
            blocks.append(Figures(_figures(run.title(stage), curves)))
        else:
            blocks.append(Paragraph(run.absence(stage)))
    return Section("Training", blocks)


def _figures(title: str, curves: Curves) -> list[Figure]:
    losses = {name: curve for name, curve in curves.items() if name.startswith("loss_")}
    total = {name: curve for name, curve in curves.items() if name == "total_loss"}
    guided = {name: curve for name, curve in curves.items() if name.startswith("guided_pixels/")}
    metrics = {n: curves[n] for n in METRICS if n in curves and len(curves[n][0]) > 1}
    figures = [
        curve_figure(losses or total, f"{title}: losses", log=True),
        curve_figure(total if losses else {}, f"{title}: total loss", log=True),
        curve_figure(metrics, f"{title}: metrics, percent"),
        curve_figure(guided, f"{title}: share of guided pixels"),
    ]
    return [figure for figure in figures if figure is not None]


def curve_figure(curves: Curves, title: str, *, log: bool = False) -> Figure | None:
    """Chart of the first seven curves; None if no value is finite.

    A logarithmic axis is taken only where the values are above 0 and span more than a decade.
    """
    curves = dict(list(curves.items())[:MAX_CURVES])
    values = np.concatenate([np.zeros(0), *(y[np.isfinite(y)] for _, y in curves.values())])
    if not len(values):
        return None
    log = log and values.min() > 0 and values.max() > 10 * values.min()
    png = plot_curves(curves, title, log=log)
    return Figure(chart_uri(png), f"{title}: {', '.join(curves)}")
