"""The command of the ablation of the cues; its trainings are tested with cue_ablation."""

import json

import numpy as np
import pytest

from bestie.cli import ablate_cues
from bestie.methods.pam.cue_ablation import COLUMNS, CueAblation
from bestie.pipeline.process import CommandError


def test_the_result_is_printed_and_kept(tmp_path, monkeypatch, capsys):
    values = np.zeros((2, 1, len(COLUMNS)))
    values[:, 0, -1] = 10, 25
    given = {}

    def ablate(config_file, output, *, notify, **settings):
        given.update(settings, config_file=config_file)
        notify("bestie train")
        output.mkdir()
        return CueAblation([0.0, 0.7], [4], values)

    monkeypatch.setattr(ablate_cues, "ablate_cues", ablate)
    arguments = ["--alphas", "0", "0.7", "--seeds", "4", "--output", str(tmp_path / "out")]
    ablate_cues.main(["--config-file", "c.yaml", *arguments, "SOLVER.MAX_ITER", "5"])
    expected = {"config_file": "c.yaml", "alphas": [0, 0.7], "seeds": [4]}
    assert given == expected | {"options": ["SOLVER.MAX_ITER", "5"]}
    printed = capsys.readouterr().out
    assert printed.startswith("$ bestie train\n") and "2.50" in printed
    content = json.loads((tmp_path / "out/ablation.json").read_text())
    assert content == json.loads(json.dumps(CueAblation([0.0, 0.7], [4], values).as_dict()))


def test_defaults_are_the_papers_values_on_a_config_that_exists():
    args = ablate_cues.parse_arguments(["--output", "x"])
    assert args.alphas == [0, 0.3, 0.5, 0.7] and args.seeds == [0, 1, 2]
    with open(args.config_file) as file:
        assert "PAM" in file.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --output"),
        (["--output", "x", "--alphas", "high"], "invalid float value: 'high'"),
        (["--output", "x", "--seeds", "0.5"], "invalid int value: '0.5'"),
    ],
)
def test_mistakes_in_the_arguments_are_named(capsys, arguments, message):
    with pytest.raises(SystemExit):
        ablate_cues.parse_arguments(arguments)
    assert message in capsys.readouterr().err


def test_mistakes_of_the_user_and_failed_commands_end_it_with_a_message(tmp_path):
    assert CommandError in ablate_cues.FAILURES
    output = ["--output", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="values must differ"):
        ablate_cues.main([*output, "--seeds", "1", "1"])
    with pytest.raises(ValueError, match="SEED differs between the trainings"):
        ablate_cues.main([*output, "SEED", "3"])
    assert not (tmp_path / "out").exists()
