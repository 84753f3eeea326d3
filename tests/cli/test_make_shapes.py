"""The command that makes the built-in data."""

import pytest

from bestie.cli import make_shapes
from bestie.data.shapes.objects import CLASS_NAMES
from bestie.formats import read_image


def test_numbers_are_printed_and_the_contact_sheet_shows_image_and_weak_map(tmp_path, capsys):
    root, sheet = tmp_path / "shapes", tmp_path / "sheets/train.png"
    arguments = f"--output {root} --seed 3 --train 5 --val 3 --size 96 --contact-sheet {sheet}"
    make_shapes.main(arguments.split())
    printed = capsys.readouterr().out
    assert printed.startswith(f"{root}: {len(CLASS_NAMES)} classes")
    assert "weak maps, mIoU %" in printed and "val:" in printed
    heights = [read_image(path).shape[0] for path in (root / "JPEGImages").glob("train_*")]
    assert read_image(sheet).shape[0] == 3 * (2 * max(heights) + 4)


def test_tags_only_leaves_tags_as_the_only_labels(tmp_path, capsys):
    make_shapes.main(f"--output {tmp_path / 's'} --train 1 --val 1 --size 64 --tags-only".split())
    assert (tmp_path / "s/image_labels.txt").is_file()
    assert not (tmp_path / "s/WSSS_maps").exists() and not (tmp_path / "s/Center_points").exists()


def test_a_contact_sheet_of_tags_only_is_refused_before_anything_is_made(tmp_path, capsys):
    with pytest.raises(SystemExit):
        make_shapes.main(["--output", str(tmp_path / "s"), "--tags-only", "--contact-sheet", "x"])
    assert "--contact-sheet draws clicks and weak maps" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("--size 63", "--size must be .*, got 63"), ("--train 0", "--train must be .*, got 0")],
)
def test_numbers_out_of_range_are_named(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_shapes.main(["--output", str(tmp_path / "s"), *arguments.split()])
    assert not (tmp_path / "s").exists()
