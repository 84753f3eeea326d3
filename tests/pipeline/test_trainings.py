import json

import pytest

from bestie.pipeline.trainings import (
    checkpoints,
    final_metrics,
    has_checkpoint,
    read_rows,
    share_done,
    trim_metrics,
)


def write_rows(folder, *rows, torn=""):
    text = "".join(json.dumps(row) + "\n" for row in rows) + torn
    (folder / "metrics.json").write_text(text)


def test_a_line_that_a_killed_process_left_is_passed_over(tmp_path):
    assert read_rows(tmp_path) == [] and share_done(tmp_path, 10) is None
    write_rows(tmp_path, {"iteration": 4}, torn='{"iteration": 9, "loss": 0.')
    assert read_rows(tmp_path) == [{"iteration": 4}]
    assert share_done(tmp_path, 10) == 0.5


@pytest.mark.parametrize(("last", "kept"), [("model_0000004.pth", [0, 4]), ("model_final.pth", 3)])
def test_rows_that_a_resumed_training_writes_again_are_dropped(tmp_path, last, kept):
    write_rows(tmp_path, {"iteration": 0}, {"iteration": 4}, {"iteration": 7}, torn='{"iter')
    (tmp_path / "last_checkpoint").write_text(last)
    trim_metrics(tmp_path)
    rows = [row["iteration"] for row in read_rows(tmp_path)]
    assert rows == (kept if isinstance(kept, list) else [0, 4, 7])
    assert (tmp_path / "metrics.json").read_text().endswith("}\n")


def test_rows_after_the_best_checkpoint_are_dropped_if_it_is_the_last(tmp_path):
    write_rows(tmp_path, {"iteration": 0}, {"iteration": 4}, {"iteration": 7})
    (tmp_path / "last_checkpoint").write_text("model_best.pth")
    (tmp_path / "model_best.json").write_text('{"metric": 50.0, "iteration": 4}')
    trim_metrics(tmp_path)
    assert [row["iteration"] for row in read_rows(tmp_path)] == [0, 4]


def test_checkpoints_are_listed_by_their_steps(tmp_path):
    for name in ("model_0000499.pth", "model_0000099.pth", "model_final.pth", "model_best.pth"):
        (tmp_path / name).touch()
    assert list(checkpoints(tmp_path)) == [100, 500]
    assert not has_checkpoint(tmp_path)


def test_final_metrics_are_those_of_the_last_evaluation(tmp_path):
    with pytest.raises(ValueError, match="metrics.json: holds no evaluation"):
        final_metrics(tmp_path)
    rows = [{"iteration": 1, "voc/mAP50": 10.0}, {"iteration": 5, "voc/mAP50": 20.0}]
    write_rows(tmp_path, *rows, {"iteration": 9, "segm/AP": float("nan"), "voc/mAP50": 30.0})
    assert final_metrics(tmp_path) == {"segm/AP": None, "voc/mAP50": 30.0}
