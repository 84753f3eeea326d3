"""The stages between teacher and student: their commands and what they leave."""

import json

import pytest

from bestie.formats import DataError, read_coco
from bestie.formats.ledger import read_ledger
from bestie.methods.pointwssis.stages import LABELS, PAIRS, REFINED, STRONG, STUDENT
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.source import open_source
from bestie.pipeline.stages import Check, Run
from tests.methods.pointwssis.test_recipe import request, root  # noqa: F401  (a fixture)


@pytest.fixture
def run(root):  # noqa: F811
    made = request(root)
    source = open_source(made, root)
    return Run(made, source, TrainingConfigs(made, source, made.output))


def pairs(arguments):
    """Option or key -> value of a command line."""
    return dict(zip(arguments, arguments[1:], strict=False))


def write_weak(run, file, **changes):
    """The truth of the weak images as labels, in a file of the run."""
    coco = read_coco(run.source.root / "annotations/instances_train_w.json")
    for entry in coco["annotations"]:
        entry |= {"score": 0.5, "point": [30.0, 30.0]}
    (run.folder / file).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / file).write_text(json.dumps({**coco, **changes}))


def check_masks(run, monkeypatch):
    monkeypatch.setattr(Check, "finish", lambda self, run: None)
    (run.folder / "check").mkdir(parents=True)
    run.step("check").finish(run)


def test_the_check_leaves_the_strong_masks_and_says_so(run, monkeypatch):
    check_masks(run, monkeypatch)
    coco = read_coco(run.folder / STRONG)
    assert [image["supervision"] for image in coco["images"]] == ["masks"] * 4
    assert len(coco["annotations"]) == 4
    (consumed,) = read_ledger(run.folder / "check")["strong"]["consumed"]
    assert consumed["labels"] == "masks of 4 images"


def test_rough_masks_come_from_the_checkpoints_nearest_to_the_shares(run):
    folder = run.folder / "teacher"
    folder.mkdir(parents=True)
    shares = run.configs.cfg["teacher"].MODEL.POINTWSSIS.ROUGH_AT
    for number in range(12):  # of 12 steps
        (folder / f"model_{number:07d}.pth").touch()
    (folder / "model_final.pth").touch()
    step = run.step("rough")
    *exports, combine = step.commands(run, False)
    expected = sorted({min(range(1, 12), key=lambda n: abs(n - 12 * share)) for share in shares})
    files = [str(run.folder / f"rough/after_{steps:07d}.json") for steps in expected]
    assert [pairs(command.arguments)["--output"] for command in exports] == files
    first = pairs(exports[0].arguments)
    assert first["MODEL.POINTWSSIS.PROMPT"] == "sizes"
    assert first["MODEL.WEIGHTS"] == str(folder / f"model_{expected[0] - 1:07d}.pth")
    assert combine.name == "combine" and combine.arguments[0] == "pairs"
    assert combine.arguments[combine.arguments.index("--labels") + 1 :][: len(files)] == (*files,)
    assert pairs(combine.arguments)["--output"] == str(run.folder / PAIRS)


def test_a_teacher_without_earlier_checkpoints_is_an_error(run):
    (run.folder / "teacher").mkdir(parents=True)
    (run.folder / "teacher/model_0000011.pth").touch()  # the last one, after 12 steps
    with pytest.raises(DataError, match="no checkpoint before the last one; teacher:SOLVER.CHECK"):
        run.step("rough").commands(run, False)


def test_labels_are_the_masks_at_the_clicks_and_none_is_an_error(run):
    step = run.step("labels")
    (command,) = step.commands(run, False)
    given = pairs(command.arguments)
    assert given["--dataset"] == run.source.name("weak")
    assert given["MODEL.POINTWSSIS.PROMPT"] == "points"
    write_weak(run, LABELS, annotations=[])
    with pytest.raises(DataError, match="holds no label: .* gave a mask for no click"):
        step.finish(run)
    write_weak(run, LABELS)
    step.finish(run)
    assert json.loads((run.folder / "labels/summary.json").read_text())["images"] == 4
    (consumed,) = read_ledger(run.folder / "labels")["labels"]["consumed"]
    assert consumed["labels"] == "clicks of 4 images"


def test_the_refiner_reads_the_labels_and_the_student_gets_both_kinds(run):
    (refine,) = run.step("refined").commands(run, False)
    given = pairs(refine.arguments)
    assert given["--dataset"] == f"coco:{run.folder / LABELS}:{run.source.image_dir}"
    assert given["MODEL.WEIGHTS"] == str(run.folder / "refiner/model_final.pth")
    (merge,) = run.step("merge").commands(run, False)
    given = pairs(merge.arguments)
    assert merge.arguments[0] == "merge" and given["--truth"] == str(run.folder / STRONG)
    assert given["--labels"] == str(run.folder / REFINED)
    assert given["--output"] == str(run.folder / STUDENT)


def test_plain_detections_of_a_part_are_compared_with_the_labels(run):
    step = run.step("quality")
    (command,) = step.commands(run, False)
    given = pairs(command.arguments)
    assert given["--dataset"] == f"folder:{run.folder / 'quality/subset'}:subset"
    assert given["MODEL.SOLO.TEST.SCORE_THRESH"] == "0.05"
    for file in (LABELS, REFINED, "quality/plain.json"):
        write_weak(run, file)
    write_weak(run, PAIRS)
    write_weak(run, "rough/after_0000004.json")
    coco = read_coco(run.folder / PAIRS)
    for entry in coco["annotations"]:
        entry["rough"] = entry["segmentation"]
    write_weak(run, PAIRS, annotations=coco["annotations"][:3])
    step.finish(run)
    content = json.loads((run.folder / "quality/quality.json").read_text())
    assert content["clicks"] == 4 and content["counts"] == {"labels": 4, "refined": 4}
    assert content["stages"]["refined"]["recall"] == 100.0
    assert list(content["skipped"].values()) == [0, 0, 4, 1, 0]
    (consumed,) = read_ledger(run.folder / "quality")["quality"]["consumed"]
    assert consumed["labels"] == "masks of 4 clicked images, which only measure the labels"
