import cv2
import numpy as np
import pytest

from bestie.formats import DataError
from bestie.visualization import plot_bars, plot_curves, plot_histogram, read_metrics


def decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def write(path, *lines: str):
    path.write_text("\n".join(lines))
    return path


def test_metrics_are_series_by_name(tmp_path):
    path = write(
        tmp_path / "metrics.json",
        '{"iteration": 19, "total_loss": 2.0, "lr": 1e-3}',
        '{"iteration": 39, "total_loss": 1.5, "voc/mAP50": NaN}',
    )
    metrics = read_metrics(path)
    assert set(metrics) == {"total_loss", "lr", "voc/mAP50"}
    np.testing.assert_array_equal(metrics["total_loss"], ([19, 39], [2.0, 1.5]))
    assert np.isnan(metrics["voc/mAP50"][1]).all()


def test_the_later_line_of_a_resumed_run_counts(tmp_path):
    lines = [f'{{"iteration": {i}, "loss": {value}}}' for i, value in [(1, 5), (9, 4), (1, 3)]]
    np.testing.assert_array_equal(
        read_metrics(write(tmp_path / "m.json", *lines))["loss"], ([1, 9], [3, 4])
    )


def test_incomplete_last_line_is_skipped(tmp_path, caplog):
    path = write(tmp_path / "m.json", '{"iteration": 1, "loss": 5}', '{"iterat')
    assert read_metrics(path)["loss"][0].tolist() == [1]
    assert "incomplete" in caplog.text


@pytest.mark.parametrize(
    "lines, message",
    [
        (["{oops", '{"iteration": 1, "loss": 1}'], "line 1: is not a JSON object"),
        (['{"loss": 1}', '{"iteration": 1, "loss": 1}'], "line 1: is not a JSON object"),
        ([""], "holds no metrics"),
    ],
)
def test_broken_metrics_are_named(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_metrics(write(tmp_path / "m.json", *lines))


def test_missing_metrics_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing.json: cannot be read"):
        read_metrics(tmp_path / "nothing.json")


@pytest.mark.parametrize("points", [1, 5, 200])
def test_curves(points):
    x = np.arange(points)
    curves = {"loss": (x, 1 / (1 + x)), "gap": (x, np.where(x > 2, np.nan, 1.0))}
    assert decode(plot_curves(curves, "Losses", log=True)).shape[1] == 800


def test_a_constant_curve_stays_constant():
    x = np.arange(100)
    picture = decode(plot_curves({"lr": (x, np.full(100, 1e-4))}))
    blue = (picture[..., 0] > 150) & (picture[..., 2] < 60)
    assert np.ptp(np.argwhere(blue)[:, 0]) < 12


@pytest.mark.parametrize("curves", [{}, {"a": (np.arange(3), np.full(3, np.nan))}])
def test_no_finite_curve_is_an_error(curves):
    with pytest.raises(ValueError, match="No curve has a finite value"):
        plot_curves(curves)


def test_too_many_curves_are_an_error():
    with pytest.raises(ValueError, match="at most 7 curves, got 8"):
        plot_curves({str(i): (np.arange(2), np.arange(2)) for i in range(8)})


@pytest.mark.parametrize("values", [[3], [0, 1, 1, 2, 30], np.random.default_rng(0).random(99)])
def test_histogram(values):
    assert decode(plot_histogram(values, "Scores", "score", "labels")).shape[1] == 800


def test_empty_histogram_is_an_error():
    with pytest.raises(ValueError, match="No finite value for the histogram 'Scores'"):
        plot_histogram([float("nan")], "Scores")


def test_bars_grow_with_their_number_and_say_where_there_is_no_value():
    few = decode(plot_bars(["a", "b"], {"AP": [1, float("nan")]}, "AP"))
    many = decode(plot_bars([str(i) for i in range(20)], {"AP": range(20), "AP50": range(20)}))
    assert few.shape[1] == many.shape[1] == 800 and many.shape[0] > 2 * few.shape[0]


def test_bars_need_a_value_a_name():
    with pytest.raises(ValueError, match="'AP' has 1 values for 2 names"):
        plot_bars(["a", "b"], {"AP": [1]})
    with pytest.raises(ValueError, match="Nothing to draw"):
        plot_bars([], {})
