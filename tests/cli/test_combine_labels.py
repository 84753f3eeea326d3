"""The command that combines COCO jsons."""

import json

import numpy as np
import pytest

from bestie.cli import combine_labels
from bestie.formats import DataError, read_coco
from tests.formats.export.scenes import write_scene

SQUARE = np.ones((4, 4), bool)
DOT = np.pad(np.ones((1, 1), bool), (0, 3))


def scene(folder, names, mask=SQUARE):
    images = {name: [(mask, 0, 0.9)] for name in names}
    return write_scene(folder, images, dict.fromkeys(names, (4, 4)))


def arguments(what, truth, *labels, output):
    given = ["--truth", str(truth), "--labels", *map(str, labels), "--output", str(output)]
    return [what, *given]


def test_corrected_images_replace_the_others(tmp_path, capsys):
    labels, new = scene(tmp_path / "old", ["a.png", "b.png"]), scene(tmp_path / "new", ["a.png"])
    merged = tmp_path / "merged.json"
    combine_labels.main(arguments("correct", new, labels, output=merged))
    assert capsys.readouterr().out == f"{merged}: 1 images corrected, with 1 objects\n"
    assert len(read_coco(merged)["images"]) == 2


def test_images_of_both_files_are_merged(tmp_path, capsys):
    strong, weak = scene(tmp_path / "s", ["a.png"]), scene(tmp_path / "w", ["b.png", "c.png"], DOT)
    output = tmp_path / "student.json"
    combine_labels.main(arguments("merge", strong, weak, output=output))
    assert capsys.readouterr().out == f"{output}: 1 true instances, 2 labels\n"
    assert [entry["area"] for entry in read_coco(output)["annotations"]] == [16, 1, 1]


def test_pairs_take_several_files_of_rough_masks(tmp_path, capsys):
    truth, rough = scene(tmp_path / "t", ["a.png"]), scene(tmp_path / "r", ["a.png"], DOT)
    output = tmp_path / "pairs.json"
    with pytest.raises(DataError, match="label 0 of a.png has no 'point'"):
        combine_labels.main(arguments("pairs", truth, rough, rough, output=output))
    content = read_coco(rough)
    content["annotations"][0]["point"] = [0.0, 0.0]
    rough.write_text(json.dumps(content))
    combine_labels.main(arguments("pairs", truth, rough, rough, output=output))
    assert capsys.readouterr().out == f"{output}: 2 pairs\n"


@pytest.mark.parametrize("what", ["correct", "merge"])
def test_one_file_of_labels_where_one_is_taken(tmp_path, capsys, what):
    with pytest.raises(SystemExit):
        combine_labels.main(arguments(what, "t", "a", "b", output=tmp_path / "x"))
    assert f"{what} takes one file of labels, got 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["both", "--truth", "t", "--labels", "a", "--output", "o"], "invalid choice: 'both'"),
        (["merge", "--labels", "a", "--output", "o"], "required: --truth"),
        (["merge", "--truth", "t", "--labels", "--output", "o"], "expected at least one argument"),
    ],
)
def test_mistakes_in_the_arguments_are_named(capsys, given, message):
    with pytest.raises(SystemExit):
        combine_labels.parse_arguments(given)
    assert message in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path):
    labels = scene(tmp_path / "w", ["b.png"])
    with pytest.raises(DataError, match="none.json: file does not exist"):
        given = arguments("merge", tmp_path / "none.json", labels, output=tmp_path / "o.json")
        combine_labels.main(given)
    assert not (tmp_path / "o.json").exists()
