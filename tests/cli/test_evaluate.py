import json

import pytest

from bestie.cli import evaluate as tool
from bestie.formats import write_coco
from tests.evaluation.tiny_data import OBJECTS, coco_of, write_root


def run(*arguments: str) -> None:
    tool.main(list(map(str, arguments)))


def test_labels_are_scored_in_a_table_or_as_json(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    path = tmp_path / "labels.json"
    write_coco(path, coco_of([f"img{i}" for i in range(len(OBJECTS))], OBJECTS))
    run(path, "--dataset", name)
    assert "true positives" in capsys.readouterr().out
    run(path, "--dataset", name, "--json", "--iou", 0.7)
    result = json.loads(capsys.readouterr().out)
    assert result["total"]["true_positives"] == 6
    assert result["average_precision"]["AP50"] == pytest.approx(100)


def test_the_baseline_is_written_and_scored(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    path = tmp_path / "baseline.json"
    run(path, "--dataset", name, "--baseline", "--min-area", 30, "--json")
    # Of the objects of 40, 60, 64, 96, 96 and 16 pixels all but the last are large enough.
    assert json.loads(capsys.readouterr().out)["total"]["true_positives"] == 5
    assert len(json.loads(path.read_text())["annotations"]) == 5


def test_pseudo_labels_are_the_components_with_exactly_one_point(tmp_path, capsys):
    name = write_root(tmp_path / "root")
    points = tmp_path / "points"
    for index, boxes in enumerate(OBJECTS):
        lines = [f"{(x0 + x1) // 2} {(y0 + y1) // 2} {c} 0.9" for c, y0, x0, y1, x1 in boxes]
        points.mkdir(exist_ok=True)
        (points / f"img{index}.txt").write_text("\n".join(lines) + "\n" * bool(lines))
    # A second cue rules the first object out; a cue that is too weak does not count.
    with open(points / "img0.txt", "a") as file:
        file.write("1 1 0 0.8\n1 7 0 0.6\n")
    path = tmp_path / "pseudo.json"
    run(path, "--dataset", name, "--baseline", "--min-area", 30, "--points", points, "--json")
    total = json.loads(capsys.readouterr().out)["total"]
    assert total["labels"] == total["true_positives"] == 4
    with pytest.raises(ValueError, match="--points has no effect without --baseline"):
        run(path, "--dataset", name, "--points", points)
    with pytest.raises(ValueError, match="--score-threshold has no effect without --points"):
        run(path, "--dataset", name, "--baseline", "--score-threshold", 0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--min-area", "-1"], "--min-area must be 1 pixel or more, got -1"),
        (["--points", "p", "--score-threshold", "5"], "--score-threshold must lie in"),
    ],
)
def test_numbers_of_the_baseline_have_a_range(given, message):
    with pytest.raises(ValueError, match=message):
        tool.main(["a.json", "--dataset", "folder:x:train", "--baseline", *given])
