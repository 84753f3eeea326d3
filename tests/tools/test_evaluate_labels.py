import importlib.util
import json

import pytest

from bestie.files import write_coco
from tests.conftest import PROJECT
from tests.evaluation.tiny_data import OBJECTS, coco_of, write_root

spec = importlib.util.spec_from_file_location(
    "evaluate_labels", PROJECT / "tools/evaluate_labels.py"
)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def run(*arguments: str) -> None:
    tool.main(tool.parse_arguments(list(map(str, arguments))))


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
