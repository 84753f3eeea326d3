"""The command that trains or evaluates one model."""

import pytest

from bestie.cli import train
from tests.training.test_trainer import data, settings  # noqa: F401  (a fixture, and settings)

CONFIG = ["--config-file", "configs/quick/shapes_tags.yaml"]


def test_a_training_leaves_weights_that_can_be_evaluated_and_resumed(data, tmp_path, capfd):  # noqa: F811
    output = tmp_path / "out"
    short = ["SOLVER.MAX_ITER", "2", "SOLVER.CHECKPOINT_PERIOD", "1", "VIS_PICTURE_PERIOD", "0"]
    short += ["MODEL.BESTIE.REFINE.START_ITER", "1"]
    train.main([*CONFIG, *settings(data, output, *short)])
    weights = output / "model_final.pth"
    before = weights.read_bytes()
    given = settings(data, tmp_path / "eval", *short, "MODEL.WEIGHTS", str(weights))
    train.main([*CONFIG, "--eval-only", *given])
    assert weights.read_bytes() == before and not (tmp_path / "eval/model_final.pth").exists()
    assert "Evaluation results for" in capfd.readouterr().out
    train.main([*CONFIG, "--resume", *settings(data, output, *short, "SOLVER.MAX_ITER", "3")])
    assert "Starting training from iteration 2" in capfd.readouterr().out
    assert (output / "model_0000002.pth").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MODEL.BESTIE.SIGMA", "0.0"], "MODEL.BESTIE.SIGMA must lie in"),
        (["MODEL.NO_SUCH_KEY", "1"], "NO_SUCH_KEY"),
        (["DATASETS.TRAIN", "('nowhere',)"], "nowhere"),
    ],
)
def test_a_mistake_ends_it_with_one_message(data, tmp_path, arguments, message):  # noqa: F811
    with pytest.raises(SystemExit, match=message):
        train.main([*CONFIG, *settings(data, tmp_path / "out"), *arguments])
    assert not (tmp_path / "out/metrics.json").exists()


def test_evaluation_needs_weights(data, tmp_path):  # noqa: F811
    with pytest.raises(SystemExit, match="MODEL.WEIGHTS is empty"):
        train.main([*CONFIG, "--eval-only", *settings(data, tmp_path / "out")])


def test_a_config_file_that_does_not_exist_is_named():
    with pytest.raises(SystemExit, match="nowhere.yaml' does not exist"):
        train.main(["--config-file", "nowhere.yaml"])


def test_arguments_are_those_of_detectron2(capsys):
    args = train.parse_arguments(["--num-gpus", "2", "--resume", "SEED", "3"])
    assert (args.num_gpus, args.resume, args.eval_only) == (2, True, False)
    assert args.dist_url == "auto" and args.opts == ["SEED", "3"]
    with pytest.raises(SystemExit):
        train.parse_arguments(["--num-gpus", "two"])
    assert "invalid int value: 'two'" in capsys.readouterr().err
