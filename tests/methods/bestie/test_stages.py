"""Stages that only tables need: a round's labels as cues and maps, refined labels over training."""

import io
import json

import numpy as np
import pytest

from bestie.formats import encode_mask, read_points, read_semantic_map, write_semantic_map
from bestie.formats.ledger import read_ledger, write_ledger_entry
from bestie.formats.supervision import LabelKind
from bestie.methods.bestie.stages import MeasureRefinement, _drawn
from bestie.methods.bestie.tables import LABELS_OVER_TRAINING, ROUNDS
from bestie.pipeline import Request, run_pipeline
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.source import open_source
from bestie.pipeline.stages import Run
from tests.pipeline.tiny_root import SIDE, TINY, write_tiny_root


def run_on(root, table, *options) -> Run:
    request = Request(
        str(root), "tags", root.parent / "run", options=options, more_stages=table.stages
    )
    source = open_source(request, root)
    return Run(request, source, TrainingConfigs(request, source, request.output))


def test_labels_become_cues_and_maps_with_the_ledger_of_the_round_before(tmp_path):
    run = run_on(write_tiny_root(tmp_path / "root", train=2, val=1), ROUNDS)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:20, 10:30] = True
    left, right = mask.copy(), mask.copy()
    left[:, 20:], right[:, :20] = False, False
    entries = [
        {"id": n, "image_id": 1, "category_id": 1, "segmentation": encode_mask(m), "score": 0.5}
        | {"bbox": [0, 0, 1, 1], "area": 100, "iscrowd": 0}
        for n, m in enumerate((left, right), 1)
    ]
    names = ("train_00", "train_01")
    images = [
        {"id": n, "file_name": f"{name}.png", "height": SIDE, "width": SIDE}
        for n, name in enumerate(names, 1)
    ]
    content = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "box"}]}
    (run.folder / "labels").mkdir(parents=True)
    (run.folder / "labels/labels.json").write_text(json.dumps(content))
    for name in names:
        write_semantic_map(run.folder / f"maps/{name}.png", mask.astype(np.uint8))
    consumed = [{"kind": LabelKind.TAGS, "labels": "image tags"}]
    for folder in ("cues", "maps"):
        write_ledger_entry(run.folder / folder, "train", {"stage": "x", "consumed": consumed})
    run.step("round").finish(run)
    points = read_points(run.folder / "round/cues/train_00.txt")
    assert len(points) == 2 and points.scores.tolist() == [1, 1]
    made = read_semantic_map(run.folder / "round/maps/train_00.png")
    assert (made[10:20, 19:21] == 255).all() and made[15, 15] == made[15, 25] == 1
    assert len(read_points(run.folder / "round/cues/train_01.txt")) == 0
    for folder in ("cues", "maps"):
        assert read_ledger(run.folder / "round" / folder)["train"]["consumed"] == consumed


def test_where_masks_overlap_the_higher_score_counts():
    masks = [np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool)]
    entries = [
        {"segmentation": encode_mask(mask), "score": score, "category_id": category}
        for mask, score, category in zip(masks, (0.9, 0.4), (7, 5), strict=True)
    ]
    instance_map, classes = _drawn(entries, (1, 3), {5: 0, 7: 1})
    assert instance_map.tolist() == [[2, 2, 1]] and classes.tolist() == [0, 1]


def test_every_checkpoint_is_measured_with_the_labels_of_the_training(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=2, val=1)
    run = run_on(root, LABELS_OVER_TRAINING, "bestie:SOLVER.MAX_ITER", "400")
    (run.folder / "bestie").mkdir(parents=True)
    for name in ("model_0000199", "model_0000399", "model_final"):
        (run.folder / f"bestie/{name}.pth").touch()
    step = run.step("refinement")
    assert isinstance(step, MeasureRefinement)
    pseudo, *exports = step.commands(run, False)
    assert pseudo.name == "evaluate" and "--baseline" in pseudo.arguments
    weights = [c.arguments[c.arguments.index("MODEL.WEIGHTS") + 1] for c in exports]
    assert [w.rpartition("/")[2] for w in weights] == ["model_0000199.pth", "model_final.pth"]
    assert all("RefinedLabels" in command.arguments for command in exports)


@pytest.mark.slow
def test_refined_labels_of_a_training_are_measured(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=2)
    request = Request(
        str(root),
        "tags",
        tmp_path / "run",
        options=(*TINY, "DEVICE", "cpu"),
        more_stages=LABELS_OVER_TRAINING.stages,
    )
    run_pipeline(request, last="refinement", stream=io.StringIO())
    content = json.loads((tmp_path / "run/refinement/over_training.json").read_text())
    assert content["pseudo"]["objects"] == content["refined"][0]["objects"] == 4
    assert [point["iteration"] for point in content["refined"]] == [4, 8, 12]
