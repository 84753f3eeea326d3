"""The kinds of stages: what each reads, leaves and runs, on a tiny root."""

import json
from dataclasses import replace

import pytest

from bestie.formats import DataError
from bestie.formats.ledger import LEDGER
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline import stages
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.recipe import Recipe
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from bestie.pipeline.stage import Stage
from bestie.pipeline.stages import Predict, Run, Train, build_stages
from tests.pipeline.tiny_root import write_tiny_root

IDS = ("train_00", "train_01", "train_02")


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def run_on(root, supervision="tags", options=(), **fields):
    output = root.parent / "run"
    request = Request(str(root), supervision, output, options=tuple(options), **fields)
    source = open_source(request, root)
    return Run(request, source, TrainingConfigs(request, source, request.output))


def built(run) -> dict[str, Stage]:
    return {stage.name: stage for stage in build_stages(run)}


def give(root, folder, suffix):
    (root / folder).mkdir()
    for image_id in IDS:
        (root / folder / f"{image_id}{suffix}").write_text("10 12 0 1.0\n")


def pairs(arguments):
    """Option or key -> value of a command line."""
    return dict(zip(arguments, arguments[1:], strict=False))


def test_tags_alone_need_every_stage_in_the_order_of_the_recipe(root):
    made = built(run_on(root))
    assert tuple(made) == RECIPE.for_run("quick", {}).stage_names
    assert not any(stage.replaced for stage in made.values())
    assert {"cues", "maps"} <= {name for name, _ in made["bestie"].reads}
    assert [name for name, stage in made.items() if stage.reports] == ["report"]
    silent = {name for name, stage in made.items() if not stage.runs_commands}
    assert silent == {"check", "report"}


def test_what_is_supplied_replaces_a_stage_and_is_read_in_place_of_its_outputs(root):
    give(root, "Peak_points", ".txt")
    made = built(run_on(root))
    assert made["cues"].replaced == f"cues are supplied ({root / 'Peak_points'})"
    assert not made["classifier"].replaced and not made["maps"].replaced
    assert "points" in made["bestie"].data and "maps" not in made["bestie"].data
    assert "cues" not in {name for name, _ in made["bestie"].reads}
    assert "points" in made["check"].data


def test_a_stage_that_only_serves_others_is_replaced_with_all_of_them(root):
    give(root, "Peak_points", ".txt")
    give(root, "WSSS_maps", ".png")
    run = run_on(root)
    made = built(run)
    assert run.is_replaced("classifier") and not run.is_replaced("bestie")
    assert "cues are supplied" in made["classifier"].replaced
    assert "maps are supplied" in made["classifier"].replaced


def test_a_training_is_resumed_from_its_checkpoint(root):
    run = run_on(root, options=["bestie:SOLVER.MAX_ITER", "10"])
    step, folder = run.step("bestie"), run.folder / "bestie"
    assert isinstance(step, Train)
    (command,) = step.commands(run, False)
    assert command.name == "train" and "--resume" not in command.arguments
    assert pairs(command.arguments)["--config-file"].endswith("quick/bestie.yaml")
    assert not step.can_resume(run) and step.progress(run) is None
    folder.mkdir(parents=True)
    (folder / "last_checkpoint").write_text("model_0000004.pth")
    (folder / "model_0000004.pth").touch()
    rows = [json.dumps({"iteration": number}) + "\n" for number in (4, 7)]
    (folder / "metrics.json").write_text("".join(rows))
    assert step.can_resume(run) and step.progress(run) == 0.8
    (command,) = step.commands(run, True)
    assert "--resume" in command.arguments
    assert (folder / "metrics.json").read_text() == rows[0]


def test_a_training_reads_the_checkpoint_of_this_run_that_it_starts_from(root):
    made = built(run_on(root))
    assert ("bestie", "bestie/model_final.pth") in made["maskrcnn"].reads
    own = built(run_on(root, options=["maskrcnn:MODEL.TIMM.WEIGHTS", "timm"]))
    assert "bestie" not in {name for name, _ in own["maskrcnn"].reads}
    assert {"maskrcnn/model_final.pth", "maskrcnn/metrics.json"} <= set(made["maskrcnn"].outputs)


def test_predictions_go_to_a_folder_whose_files_are_counted(root):
    run = run_on(root)
    step = run.step("cues")
    assert isinstance(step, Predict)
    (command,) = step.commands(run, False)
    given = pairs(command.arguments)
    assert command.name == "extract-points"
    assert given["--dataset"] == f"folder:{root}:train"
    assert given["--output"] == str(run.folder / "cues")
    assert given["MODEL.WEIGHTS"] == str(run.folder / "classifier/model_final.pth")
    assert step.progress(run) == 0 and not step.can_resume(run)
    (run.folder / "cues").mkdir(parents=True)
    (run.folder / "cues/train_01.txt").touch()
    (run.folder / "cues" / LEDGER).write_text("{}")
    assert step.progress(run) == pytest.approx(1 / 3) and step.can_resume(run)


def test_settings_that_do_not_matter_to_a_stage_leave_its_fingerprint(root):
    before, after = (
        built(run_on(root, options=options)) for options in ((), ("MODEL.PAM.CUES.TOP_K", "3"))
    )
    changed = {name for name in before if before[name].settings != after[name].settings}
    assert changed == {"check", "cues"}


def test_labels_are_summarized_and_none_at_all_are_an_error(root):
    run = run_on(root)
    step, path = run.step("labels"), run.folder / "labels/labels.json"
    path.parent.mkdir(parents=True)
    truth = json.loads((root / "annotations/instances_train.json").read_text())
    path.write_text(json.dumps(truth | {"annotations": []}))
    with pytest.raises(DataError, match="labels.json: holds no label: BESTIE found nothing"):
        step.finish(run)
    for entry in truth["annotations"]:
        entry["score"] = 0.5
    path.write_text(json.dumps(truth))
    step.finish(run)
    summary = json.loads((path.parent / "summary.json").read_text())
    assert summary["images"] == 3 and summary["labels_per_class"] == {"box": 3}


def test_maps_of_the_validation_images_are_read_by_the_evaluation_only(root):
    run = run_on(root)
    assert "val maps" not in built(run)["evaluation"].data
    source = replace(run.source, val_maps=root / "WSSS_maps")
    made = built(replace(run, source=source))
    assert "val maps" in made["evaluation"].data and "val maps" not in made["bestie"].data


def test_a_stage_of_no_kind_is_a_fault_of_the_recipe(root):
    run = run_on(root)
    strange = replace(RECIPE, stages=(*RECIPE.stages, object()))

    class Other(Request):
        @property
        def recipe(self) -> Recipe:
            return strange

    request = Other(str(root), "tags", run.folder)
    with pytest.raises(TypeError, match="a stage of the recipe bestie is not a Step"):
        build_stages(replace(run, request=request))


def test_the_code_of_a_recipe_counts_for_its_stages():
    stage = Stage("check", code=("bestie.pipeline.check_stage",))
    code = stages.stage_code(RECIPE, stage)["code"]
    assert {stages.HERE, "bestie/methods/bestie/recipe.py"} <= set(code)
