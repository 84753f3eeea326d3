import pytest

from bestie.cli import reproduce as TOOL
from tests.pipeline.tiny_root import write_tiny_root


def test_without_a_method_the_methods_are_listed(capsys):
    TOOL.main([])
    text = capsys.readouterr().out
    assert "bestie reproduce bestie\n    --table 1: BESTIE from tags" in text
    assert "bestie reproduce pointwssis\n    --figure 6: share" in text
    with pytest.raises(ValueError, match="METHOD is missing.* bestie, pointwssis"):
        TOOL.main(["--table", "3"])


def test_without_a_table_the_tables_are_listed(capsys):
    TOOL.main(["bestie"])
    text = capsys.readouterr().out
    assert "--table 3: what each part adds" in text and "    plain: plain" in text
    TOOL.main(["pointwssis"])
    assert "--figure 6: share of images with masks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paper"], "there are no tables of 'paper', but of .*bestie"),
        (["bestie", "--table", "9"], "no table '9'; there are: --table 1"),
        (["bestie", "--figure", "3"], "no figure '3'; there are: .*--figure 6"),
        (["bestie", "--table", "3", "--figure", "6"], "one of them at a time"),
        (
            ["bestie", "--table", "3", "--rows", "plain", "SOLVER.MAX_ITER", "5"],
            "no row 'SOLVER.MAX_ITER'; .*; settings come before --rows",
        ),
        (["bestie", "--table", "3", "--rows", "x"], "table 3 has no row 'x'; it has plain, pam"),
        (
            ["bestie", "--table", "3", "--preset", "small"],
            "--preset small needs --data ROOT: photographs with tags and true masks of 'val'",
        ),
        (
            ["pointwssis", "--figure", "6", "--preset", "r50"],
            "photographs with masks of 'train' and true masks of 'val' as a COCO json",
        ),
        (["bestie", "--table", "3", "--preset", "r101"], "one of hrnet48, quick, r50, small, got"),
        (["pointwssis", "--figure", "6", "--preset", "hrnet48"], "one of quick, r101, r50, small"),
        (["bestie", "--table", "3", "--dry-run", "NO_KEY", "1"], "NO_KEY is not a key"),
        (["bestie", "--table", "3", "MODEL.BESTIE.IAG", "True"], "is set by the row plain"),
    ],
)
def test_mistakes_are_answered_with_what_exists(arguments, message):
    with pytest.raises(ValueError, match=message):
        TOOL.main(arguments)


@pytest.mark.parametrize("on_own_data", [False, True])
def test_a_dry_run_checks_rows_that_divide_the_training_images(on_own_data, capsys, tmp_path):
    root, output = write_tiny_root(tmp_path / "root"), tmp_path / "out"
    given = ["pointwssis", "--table", "labels", "--dry-run", "--output", str(output)]
    given += ["--data", str(root)] if on_own_data else []
    TOOL.main(given)
    text = capsys.readouterr().out
    assert "refined: --percent 10\n" in text and "rough (the run of refined): --percent 10" in text
    data = root if on_own_data else "built-in data"
    assert f"preset quick, on {data}, in" in text and not output.exists()


def test_a_dry_run_shows_a_value_that_is_empty(capsys, tmp_path):
    given = ["bestie", "--table", "maskrcnn", "--rows", "scratch", "--dry-run"]
    TOOL.main([*given, "--output", str(tmp_path / "out")])
    assert "scratch: maskrcnn:MODEL.TIMM.WEIGHTS ''\n" in capsys.readouterr().out


def test_a_dry_run_says_which_rows_would_run(capsys, tmp_path):
    output = tmp_path / "out"
    given = ["bestie", "--table", "5", "--dry-run", "--output", str(output), "--seeds", "4", "7"]
    TOOL.main(given)
    text = capsys.readouterr().out
    assert "round_2: round/cues of round_1, round/maps of round_1" in text
    assert "with the seeds 4 7, to the stage bestie" in text and not output.exists()
