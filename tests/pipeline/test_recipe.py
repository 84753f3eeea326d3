"""Recipes: a toy one runs on the engine as it is, and mistakes in recipes are refused."""

import io
from dataclasses import dataclass, replace

import pytest

from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline import Request, run_pipeline
from bestie.pipeline.recipe import RECIPES, Recipe, Training, recipe_for, register_recipe
from bestie.pipeline.stages import TRAIN, Report, Step
from bestie.report.overview import stages_section
from tests.pipeline.tiny_root import write_tiny_root


@dataclass(frozen=True)
class CountImages(Step):
    """Writes how many training images there are."""

    def finish(self, run):
        path = run.folder / self.outputs[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(len(run.source.ids["train"])))


@dataclass(frozen=True)
class Double(Step):
    """Doubles the number."""

    def finish(self, run):
        path = run.folder / self.outputs[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(2 * int((run.folder / "count/number.txt").read_text())))


COUNT = ("count", "count/number.txt")
TOY = Recipe(
    name="toy",
    module=__name__,
    supervisions=("pictures",),
    trainings=(Training("classifier", own_keys=("MODEL.PAM.",), finds_instances=False),),
    stages=(
        CountImages("count", "Number of images", data=TRAIN, outputs=COUNT[1:]),
        Double("double", "Twice that", reads=(COUNT,), outputs=("double/number.txt",)),
        Report("report", "Page", data=TRAIN, reads=(COUNT, ("double", "double/number.txt"))),
    ),
    sections=(stages_section,),
    title="Toy",
)


@pytest.fixture
def toy():
    yield register_recipe(TOY)
    del RECIPES["toy"]


def test_a_toy_recipe_runs_without_a_change_of_the_engine(toy, tmp_path):
    root = write_tiny_root(tmp_path / "root", train=3, val=1)
    (root / "WSSS_maps").mkdir()
    (root / "Peak_points").mkdir()
    request = Request(str(root), "pictures", tmp_path / "run")
    run_pipeline(request, stream=io.StringIO())
    assert (tmp_path / "run/double/number.txt").read_text() == "6"
    page = (tmp_path / "run/report.html").read_text()
    assert "<title>Toy</title>" in page and "Twice that" in page
    again = io.StringIO()
    run_pipeline(request, stream=again)
    assert again.getvalue().count("unchanged") == 3
    forced = io.StringIO()
    run_pipeline(request, first="double", forced=["double"], stream=forced)
    assert "[1/3]" not in forced.getvalue() and "done in" in forced.getvalue()
    with pytest.raises(ValueError, match="no stage is named maps; the stages are count, double"):
        run_pipeline(request, first="maps")


OPTIONAL = replace(
    TOY,
    trainings=(
        *TOY.trainings,
        Training("semantic", own_keys=("MODEL.SEMANTIC.",), optional=True, off_in=("quick",)),
    ),
    stages=(
        TOY.stages[0],
        Double("more", "More", training="semantic", improves="count"),
        *TOY.stages[1:],
    ),
)


def test_an_optional_training_is_on_where_the_preset_has_it_or_the_user_asks():
    def trainings(preset, **variants):
        OPTIONAL.check_variants(preset, variants)
        return OPTIONAL.for_run(preset, variants).training_names

    both = ("classifier", "semantic")
    assert trainings("r50") == both and trainings("r50", semantic="off") == both[:1]
    assert trainings("quick") == both[:1] and trainings("quick", semantic="on") == both
    assert trainings("r101") == both[:1]  # it has no config for it
    assert OPTIONAL.for_run("r50", {}) is OPTIONAL
    with pytest.raises(ValueError, match="semantic has no variant 'on' in the preset r101; it has"):
        trainings("r101", semantic="on")
    with pytest.raises(ValueError, match="no variant 'maybe' in the preset quick; it has on, off"):
        trainings("quick", semantic="maybe")
    for variant in ("on", "off"):
        with pytest.raises(ValueError, match=f"classifier has no variant '{variant}'"):
            trainings("quick", classifier=variant)


def test_stages_of_a_training_that_is_off_are_left_out_and_its_settings_refused():
    without = OPTIONAL.for_run("quick", {})
    assert without.stage_names == TOY.stage_names
    for setting in ("semantic:SOLVER.MAX_ITER", "MODEL.SEMANTIC.CHANNELS"):
        with pytest.raises(ValueError, match="has no semantic; --variant semantic:on adds it"):
            without.split_options([setting, "8"])
    options = OPTIONAL.split_options(["MODEL.SEMANTIC.CHANNELS", "8"])
    assert options == {"classifier": {}, "semantic": {"MODEL.SEMANTIC.CHANNELS": "8"}}


def test_later_stages_read_the_files_that_improve_those_of_another():
    assert OPTIONAL.latest("count", "double") == OPTIONAL.latest("count") == "more"
    assert OPTIONAL.latest("count", "more") == "count"
    assert OPTIONAL.for_run("quick", {}).latest("count") == "count"
    assert OPTIONAL.latest("double") == "double"


def test_the_supervision_decides_the_recipe(toy):
    assert recipe_for("pictures") is toy
    assert recipe_for("tags") is recipe_for("clicks") is RECIPE
    with pytest.raises(ValueError, match=r"one of tags, clicks, masks\+clicks, pictures, got"):
        recipe_for("boxes")


def test_names_and_supervisions_are_taken_once(toy):
    with pytest.raises(ValueError, match="named toy is registered already"):
        register_recipe(replace(TOY, supervisions=("sounds",)))
    with pytest.raises(ValueError, match="pictures belongs to the recipe toy"):
        register_recipe(replace(TOY, name="other"))
