"""What the quality and evaluation stages write, from a run whose labels are the truth."""

import json

import pytest

from bestie.formats import decode_mask, read_coco, write_semantic_map
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.measurements import Measurements
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from tests.pipeline.tiny_root import SIDE, write_tiny_root

STEPS = ("bestie:SOLVER.MAX_ITER", "9", "MODEL.BESTIE.REFINE.START_ITER", "0")


@pytest.fixture
def run(tmp_path):
    """Measurements of a run of 3 images: one label short, cues and maps of the truth."""
    root, output = write_tiny_root(tmp_path / "root", train=3, val=1), tmp_path / "run"
    truth = read_coco(root / "annotations/instances_train.json")
    for image, entry in zip(truth["images"], truth["annotations"], strict=True):
        stem = image["file_name"].removesuffix(".png")
        mask = decode_mask(entry["segmentation"], SIDE, SIDE)
        write_semantic_map(output / f"maps/{stem}.png", mask.astype("uint8"))
        (output / "cues").mkdir(exist_ok=True)
        (output / f"cues/{stem}.txt").write_text("32 32 0 0.9\n1 1 0 0.2\n")
    labels = truth | {"annotations": [e | {"score": 0.5} for e in truth["annotations"][:2]]}
    for path in ("labels/labels.json", "quality/after_0000003.json"):
        (output / path).parent.mkdir(exist_ok=True)
        (output / path).write_text(json.dumps(labels))
    (output / "bestie").mkdir()
    for name in ("model_0000002.pth", "model_final.pth"):
        (output / "bestie" / name).touch()
    return root, output


def measurements(run, root=None) -> Measurements:
    request = Request(str(run[0]), "tags", run[1], options=STEPS)
    source = open_source(request, root or run[0])
    return Measurements(request, source, TrainingConfigs(request, source, run[1]))


def test_quality_with_ground_truth(run):
    made, quality = measurements(run), run[1] / "quality"
    commands = made.quality_commands()
    assert [command.name for command in commands] == ["evaluate", "evaluate", "export"]
    assert "--baseline" in commands[1].arguments and commands[0].stdout == quality / "labels.json"
    assert str(run[1] / "bestie/model_0000002.pth") in commands[2].arguments
    for name in ("labels.json", "baseline.json"):
        (quality / name).write_text('{"total": {"precision": NaN}}')
    made.write_quality()
    content = json.loads((quality / "quality.json").read_text())
    assert content["truth"] and content["labels"] == {"total": {"precision": None}}
    point = {"labels": 2, "true_positives": 2, "precision": 100.0, "recall": pytest.approx(200 / 3)}
    point |= {"instances_per_image": pytest.approx(2 / 3), "coverage": pytest.approx(200 / 3)}
    assert content["over_training"] == [{"iteration": n, **point} for n in (3, 9)]
    assert content["agreement"]["cues_in_maps"] == 100.0  # the weak cues do not train
    assert content["agreement"]["labels_in_maps"] == 100.0


def test_quality_without_ground_truth(run):
    for path in (run[0] / "annotations").iterdir():
        path.unlink()
    # Image ids are now positions in the split, as they are in labels that were exported so.
    made = measurements(run)
    assert [command.name for command in made.quality_commands()] == ["export"]
    made.write_quality()
    content = json.loads((run[1] / "quality/quality.json").read_text())
    assert not content["truth"] and content["labels"] is None and content["baseline"] is None
    assert content["over_training"][0]["true_positives"] is None
    assert content["over_training"][0]["coverage"] == pytest.approx(200 / 3)


def test_results_join_the_metrics_of_both_models(run):
    for name, value in (("bestie", 40.0), ("maskrcnn", float("nan"))):
        (run[1] / name).mkdir(exist_ok=True)
        row = {"iteration": 9, "voc/mAP50": value, "time": 1.0}
        (run[1] / name / "metrics.json").write_text(json.dumps(row) + "\n")
    made = measurements(run)
    assert made.evaluation_commands() == []
    made.write_results()
    content = json.loads((run[1] / "evaluation/results.json").read_text())
    assert content["bestie"] == {"voc/mAP50": 40.0} and content["maskrcnn"] == {"voc/mAP50": None}
    assert content["baseline"] is None and content["dataset"] == f"folder:{run[0]}:val"


def test_supplied_maps_of_the_validation_images_give_a_baseline(run):
    (run[0] / "WSSS_maps").mkdir()
    (run[0] / "WSSS_maps/val_00.png").touch()
    (command,) = measurements(run).evaluation_commands()
    baseline = ("--baseline", "--maps", str(run[0] / "WSSS_maps"), "--max-detections", "100")
    assert command.arguments[-5:] == baseline


def test_without_ground_truth_the_reason_is_written(run):
    (run[0] / "annotations/instances_val.json").unlink()
    measurements(run).write_results()
    content = json.loads((run[1] / "evaluation/results.json").read_text())
    assert content == {"skipped": "the split 'val' has no ground truth: nothing is evaluated"}
