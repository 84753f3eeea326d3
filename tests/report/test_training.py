"""Curves of the trainings."""

import numpy as np
import pytest
from PIL import Image

from bestie.report.training import curve_figure, training_section
from bestie.visualization.page import Heading
from tests.report.toy_run import charts, paragraphs, put, toy_run

NAN = float("nan")


def curves(*values):
    """One curve a list of values."""
    return {f"c{i}": (np.arange(len(v)), np.array(v, float)) for i, v in enumerate(values)}


@pytest.fixture
def plotted(monkeypatch, tmp_path):
    """Curves and options of each chart, which is not drawn."""
    Image.new("RGB", (1, 1)).save(tmp_path / "chart.png")
    calls = []

    def plot_curves(curves, title, **options):
        calls.append((list(curves), options))
        return (tmp_path / "chart.png").read_bytes()

    monkeypatch.setattr("bestie.report.training.plot_curves", plot_curves)
    return calls


def test_without_a_finite_value_there_is_no_chart():
    assert curve_figure({}, "empty") is None
    assert curve_figure(curves([NAN, NAN], [float("inf")]), "none") is None


def test_the_text_of_a_chart_names_its_curves():
    figure = curve_figure(curves([1, 2], [NAN, 3]), "Losses")
    assert figure.text == "Losses: c0, c1" and figure.uri.startswith("data:image/webp;base64,")


def test_no_more_than_seven_curves_are_drawn(plotted):
    curve_figure(curves(*[[1]] * 9), "many")
    assert [names for names, _ in plotted] == [[f"c{i}" for i in range(7)]]


@pytest.mark.parametrize(
    ("values", "log"),
    [([1, 10.1], True), ([1, 10], False), ([0, 100], False), ([-1, 100], False), ([NAN, 5], False)],
)
def test_a_logarithmic_axis_needs_positive_values_over_a_decade(plotted, values, log):
    curve_figure(curves(values), "losses", log=True)
    curve_figure(curves(values), "metrics")
    assert [options["log"] for _, options in plotted] == [log, False]


def test_a_training_shows_losses_metrics_and_guided_pixels_apart(tmp_path):
    run = toy_run(tmp_path)
    rows = [
        f'{{"iteration": {i}, "total_loss": 3, "loss_a": 2, "loss_b": 1, "lr": 0.1, '
        f'"guided_pixels/center": 0.5, "segm/AP": {i}}}'
        for i in (5, 9)
    ]
    put(tmp_path, "train/metrics.json", "\n".join(rows))
    section = training_section(run)
    assert [block.text for block in section.blocks if isinstance(block, Heading)] == ["Toy network"]
    assert paragraphs(section) == [("Logged up to iteration 9.", "")]
    assert charts(section) == [
        "Toy network: losses: loss_a, loss_b",
        "Toy network: total loss: total_loss",
        "Toy network: metrics, percent: segm/AP",
        "Toy network: share of guided pixels: guided_pixels/center",
    ]


def test_a_metric_of_one_evaluation_is_no_curve_and_one_loss_is_shown_once(tmp_path):
    run = toy_run(tmp_path)
    put(tmp_path, "train/metrics.json", '{"iteration": 9, "total_loss": 3.0, "segm/AP": 5.0}')
    assert charts(training_section(run)) == ["Toy network: losses: total_loss"]


def test_a_training_without_a_log_says_why(tmp_path):
    run = toy_run(tmp_path, {"train": {"status": "failed", "reason": "no space"}})
    assert paragraphs(training_section(run)) == [
        ("Nothing here: the stage “Toy network” failed: no space.", "")
    ]
