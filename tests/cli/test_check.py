import pytest

from bestie.cli import check as tool
from bestie.cli import make_shapes, split_labels
from tests.data.checks.planting import append
from tests.evaluation.tiny_data import write_root


def test_exit_status_and_last_line_tell_of_errors(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    status = tool.main([name])
    before = capsys.readouterr().out
    assert status == 0 and "no error(s)" in before.splitlines()[-1] and "images" in before
    append("classes.txt", "\n\nlast\n")(tmp_path / "root")
    assert tool.main([name]) == 1
    after = capsys.readouterr().out
    assert "classes.txt, line" in after and "no error(s)" not in after


def test_a_negative_number_of_lines_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--shown must be 0 or more, got -3"):
        tool.main([write_root(tmp_path / "root"), "--shown", "-3"])


def test_a_root_of_masks_that_was_split_has_no_mistake(tmp_path, capsys):
    root = str(tmp_path / "root")
    size = ("--train", "12", "--val", "3", "--size", "96")
    make_shapes.main(["--output", root, "--tags-only", *size])
    split_labels.main(["--root", root, "--percent", "25", "--clicks", "nearest"])
    capsys.readouterr()
    for more in ([], ["--split", "train", "--split", "train_s", "--split", "train_w"]):
        assert tool.main([root, "--supervision", "masks+clicks", *more]) == 0
        text = capsys.readouterr().out
        assert "train: 12 images" in text and "train_s: 3 images" in text
        assert "no error(s)" in text and "are in the split" not in text
