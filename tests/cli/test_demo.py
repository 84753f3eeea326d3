"""The demo: built-in data, then a run on it."""

from pathlib import Path

import pytest
import torch

from bestie.cli import demo, make_shapes, run


@pytest.fixture
def commands(monkeypatch):
    """Arguments of the two commands that the demo starts."""
    given = {}
    monkeypatch.setattr(make_shapes, "main", lambda arguments: given.update(shapes=arguments))
    monkeypatch.setattr(run, "main", lambda arguments: given.update(run=arguments) or 130)
    return given


def test_data_of_tags_only_are_made_and_a_quick_run_follows(commands, tmp_path):
    status = demo.main(["--output", str(tmp_path), "SEED", "3", "bestie:SOLVER.MAX_ITER", "9"])
    assert status == 130  # that of the run
    assert commands["shapes"] == ["--output", str(tmp_path / "shapes"), "--tags-only"]
    args = run.parse_arguments(commands["run"])
    assert (args.data, args.output) == (str(tmp_path / "shapes"), str(tmp_path / "run"))
    assert (args.supervision, args.preset) == ("tags", "quick")
    assert args.opts == ["SEED", "3", "bestie:SOLVER.MAX_ITER", "9"]


@pytest.mark.parametrize("cuda, threads, processes", [(True, 8, 1), (False, 1, 1), (False, 8, 2)])
def test_a_cpu_of_several_cores_runs_two_processes(
    commands, tmp_path, monkeypatch, cuda, threads, processes
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    demo.main(["--output", str(tmp_path)])
    assert run.parse_arguments(commands["run"]).num_gpus == processes


def test_without_arguments_it_writes_to_a_folder_of_its_own():
    args = demo.parse_arguments([])
    assert args.output == Path("output/demo") and args.opts == []


def test_settings_may_stand_before_the_output():
    args = demo.parse_arguments(["DEVICE", "cpu", "--output", "x"])
    assert (args.output, args.opts) == (Path("x"), ["DEVICE", "cpu"])


def test_an_unknown_option_is_named(capsys):
    with pytest.raises(SystemExit):
        demo.parse_arguments(["--preset", "r50", "--quiet"])
    assert "--quiet" in capsys.readouterr().err


def test_a_mistake_in_the_settings_ends_it_before_any_stage(tmp_path, monkeypatch):
    make = make_shapes.main
    small = ["--train", "2", "--val", "1", "--size", "64"]
    monkeypatch.setattr(make_shapes, "main", lambda arguments: make([*arguments, *small]))
    with pytest.raises(ValueError, match="NO_SUCH_KEY"):
        demo.main(["--output", str(tmp_path), "MODEL.NO_SUCH_KEY", "1"])
    assert not (tmp_path / "run/check").exists()
