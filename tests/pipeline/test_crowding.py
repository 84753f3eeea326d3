"""Clicks that lie closer together than the window in which a network finds one center."""

import numpy as np
import pytest

from bestie.formats import Points, find_image, read_image_size, write_points
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.crowding import (
    distances_between_clicks,
    too_close_clicks,
    too_large_window,
)
from bestie.pipeline.recipe import Training
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from bestie.pipeline.stages import Run
from tests.pipeline.tiny_root import write_tiny_root

KEY = "MODEL.BESTIE.TEST.KERNEL"
TRAINING = Training("bestie", window_key=KEY, size_key="MODEL.BESTIE.OBJECT_SIZE")


@pytest.fixture
def root(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=2, val=1)
    write_clicks(root, "train_00", [])
    write_clicks(root, "train_01", [])
    return root


def write_clicks(root, image_id, clicks):
    """Clicks (y, x, class), all trusted."""
    rows = np.array(clicks, float).reshape(-1, 3)
    points = Points(rows[:, :2], rows[:, 2].astype(np.int64), np.ones(len(rows), np.float32))
    write_points(root / f"Center_points/{image_id}.txt", points)


def opened(root, *options):
    """The data and the config of BESTIE; unless ``options`` say so, images keep their size."""
    options = ("INPUT.TEST_SIZE", "0", "INPUT.TEST_SIZE_KEPT", "(0, 0)", *options)
    request = Request(str(root), "clicks", root.parent / "run", preset="quick", options=options)
    source = open_source(request, root)
    return source, TrainingConfigs(request, source, request.output).cfg["bestie"]


def test_the_distance_is_that_of_the_class_in_a_square_window(root):
    write_clicks(root, "train_00", [(10, 10, 0), (13, 14, 0), (11, 10, 1), (30, 10, 0)])
    write_clicks(root, "train_01", [(5, 5, 0)])
    source, cfg = opened(root)
    distances = distances_between_clicks(source, cfg, 0.5)
    np.testing.assert_array_equal(distances, [4, 4, np.inf, 17, np.inf])


def test_distances_are_those_on_the_grid_of_the_network(root):
    write_clicks(root, "train_00", [(10, 10, 0), (10, 20, 0)])
    source, cfg = opened(root, "INPUT.TEST_SIZE", "192")
    longer = max(read_image_size(find_image(root, "train_00")))
    distances = distances_between_clicks(source, cfg, 0.5)
    np.testing.assert_allclose(distances, 10 * 192 / longer)


def test_a_window_that_merges_many_clicks_is_named_with_one_that_fits(root):
    write_clicks(root, "train_00", [(20, 5 + 7 * i, 0) for i in range(5)])
    write_clicks(root, "train_01", [(20, 5, 0), (20, 15, 0), (20, 50, 0)])
    source, cfg = opened(root, KEY, "15")
    (line,) = too_large_window(source, cfg, TRAINING, 0.5)
    assert "62% of the clicks lie 7 pixels or less from another one of their class" in line
    assert f"{KEY} 15 can find one object only" in line and f"{KEY} 13 leaves 0%" in line
    source, cfg = opened(root, KEY, "13")
    assert too_large_window(source, cfg, TRAINING, 0.5) == []


@pytest.mark.parametrize("step", [0, 1])
def test_no_window_is_named_where_none_fits(root, step):
    write_clicks(root, "train_00", [(20, 5 + step * i, 0) for i in range(5)])
    source, cfg = opened(root, KEY, "3")
    (line,) = too_large_window(source, cfg, TRAINING, 0.5)
    assert "leaves" not in line and line.endswith("Larger images help: INPUT.TEST_SIZE.")


def test_points_that_do_not_train_and_damaged_files_do_not_count(root):
    write_clicks(root, "train_00", [(20, 5, 0), (20, 15, 0)])
    path = root / "Center_points/train_00.txt"
    path.write_text(path.read_text() + "10 20 0 0.1\n")
    (root / "Center_points/train_01.txt").write_text("a point\n")
    source, cfg = opened(root)
    np.testing.assert_array_equal(distances_between_clicks(source, cfg, 0.5), [10, 10])


def test_clicks_far_from_each_other_or_none_need_no_word(root):
    source, cfg = opened(root, KEY, "15")
    assert too_large_window(source, cfg, TRAINING, 0.5) == []
    write_clicks(root, "train_00", [(20, 5, 0), (20, 40, 0), (22, 6, 1)])
    source, cfg = opened(root, KEY, "15")
    assert too_large_window(source, cfg, TRAINING, 0.5) == []


@pytest.mark.parametrize(("supervision", "number"), [("clicks", 1), ("tags", 0)])
def test_the_check_of_a_run_says_it_for_clicks(root, supervision, number, monkeypatch):
    write_clicks(root, "train_00", [(20, 5 + i, 0) for i in range(9)])
    request = Request(str(root), supervision, root.parent / "run", preset="quick")
    source = open_source(request, root)
    configs, notes = TrainingConfigs(request, source, request.output), []
    monkeypatch.setattr("bestie.pipeline.stages.check_configs", lambda configs, names: {})
    run = Run(request, source, configs, notes.append)
    run.step("check").finish(run)
    assert sum(KEY in line and line.startswith("warning: bestie:") for line in notes) == number


def test_a_window_that_will_follow_the_objects_needs_no_word(root, monkeypatch):
    write_clicks(root, "train_00", [(20, 5 + i, 0) for i in range(9)])
    options = ("MODEL.BESTIE.OBJECT_SIZE", "40")
    request = Request(str(root), "clicks", root.parent / "run", preset="quick", options=options)
    source = open_source(request, root)
    configs, notes = TrainingConfigs(request, source, request.output), []
    monkeypatch.setattr("bestie.pipeline.stages.check_configs", lambda configs, names: {})
    run = Run(request, source, configs, notes.append)
    run.step("check").finish(run)
    assert not any("lie" in line and line.startswith("warning: bestie:") for line in notes)


def test_a_window_that_followed_the_objects_is_named_with_its_key(root, monkeypatch):
    write_clicks(root, "train_00", [(20, 5 + i, 0) for i in range(9)])
    _, scaled = opened(root, KEY, "15")
    monkeypatch.setattr("bestie.pipeline.crowding.filled_config", lambda configs, name: scaled)
    options = ("MODEL.BESTIE.OBJECT_SIZE", "40")
    request = Request(str(root), "clicks", root.parent / "run", preset="quick", options=options)
    configs = TrainingConfigs(request, open_source(request, root), request.output)
    (line,) = too_close_clicks(configs, TRAINING)
    assert line.endswith("These are lengths with MODEL.BESTIE.OBJECT_SIZE 0.")
