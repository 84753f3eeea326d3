"""The time of a training, from one measured step."""

import logging
import warnings

import pytest

from bestie.training import step_time
from bestie.training.class_counts import set_class_counts
from bestie.training.setup import build_model, merge_config
from bestie.training.step_time import training_seconds


def config(name, *overrides):
    settings = ["MODEL.DEVICE", "cpu", "MODEL.TIMM.WEIGHTS", "", *overrides]
    cfg = merge_config(f"configs/pipeline/quick/{name}.yaml", settings)
    set_class_counts(cfg, 3, "the test")
    return cfg


@pytest.mark.parametrize(
    "name", ["classifier", "bestie", "maskrcnn", "teacher", "refiner", "student_solo"]
)
def test_a_step_of_every_training_can_be_measured(name):
    cfg = config(name)
    assert training_seconds(build_model(cfg), cfg, 200) > 0


def test_warnings_of_the_libraries_do_not_reach_the_terminal(recwarn, monkeypatch):
    monkeypatch.setattr(step_time, "_step", lambda *_: warnings.warn("of a library", stacklevel=1))
    cfg = config("classifier")
    training_seconds(build_model(cfg), cfg, 1)
    assert not recwarn.list and logging.root.manager.disable == 0


def test_the_time_counts_steps_and_images(monkeypatch):
    clock = iter([0.0, 3.0] * 3)
    monkeypatch.setattr(step_time.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(step_time, "_step", lambda model, batch, cfg: None)
    cfg = config("classifier", "SOLVER.MAX_ITER", "10", "SOLVER.IMS_PER_BATCH", "8")
    model = build_model(cfg)
    assert training_seconds(model, cfg, 100) == 3.0 * 8 / 2 * 10  # two images are measured
    cfg = config("classifier", "SOLVER.MAX_ITER", "10", "SOLVER.IMS_PER_BATCH", "1")
    assert training_seconds(model, cfg, 100) == 30.0
