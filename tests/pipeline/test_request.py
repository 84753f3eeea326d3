import pytest

from bestie.formats.labels.base import ReadOptions
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.request import Request
from bestie.pipeline.stages import Step

TRAININGS, split_options = RECIPE.training_names, RECIPE.split_options


def test_presets_are_the_folders_of_their_configs():
    assert RECIPE.preset_names == ("hrnet48", "quick", "r50", "small")


def test_a_key_goes_to_every_training_that_it_means_something_to():
    settings = split_options(["SEED", "3", "MODEL.PAM.ALPHA", "0", "MODEL.BESTIE.SIGMA", "4.0"])
    assert settings == {
        "classifier": {"SEED": "3", "MODEL.PAM.ALPHA": "0"},
        "bestie": {"SEED": "3", "MODEL.BESTIE.SIGMA": "4.0"},
        "maskrcnn": {"SEED": "3"},
    }


def test_what_is_given_for_one_training_beats_what_is_given_for_all():
    given = ["bestie:SOLVER.MAX_ITER", "500", "SOLVER.MAX_ITER", "100", "DEVICE", "cpu"]
    settings = split_options(given)
    assert [settings[name]["SOLVER.MAX_ITER"] for name in TRAININGS] == ["100", "500", "100"]
    assert {settings[name]["MODEL.DEVICE"] for name in TRAININGS} == {"cpu"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["SEED"], "'SEED' has no value"),
        (["labels:SEED", "1"], "can be given for classifier, bestie, maskrcnn"),
        (["bestie.SEED", "1"], "bestie.SEED: write bestie:SEED"),
        (["DATASETS.TRAIN", "x"], "set by the pipeline; see --data"),
        (["bestie:INPUT.POINTS_DIR", "x"], "see --cues"),
        (["MODEL.WEIGHTS", "x"], "say classifier:MODEL.WEIGHTS"),
        (["OUTPUT_DIR", "x", "MODEL.WEIGHTS", "y"], "OUTPUT_DIR.*MODEL.WEIGHTS"),
    ],
)
def test_settings_that_cannot_be_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        split_options(options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"supervision": "boxes"}, "one of tags, clicks, masks.clicks, got 'boxes'"),
        ({"preset": "huge"}, "hrnet48, quick, r50, small, got 'huge'"),
        ({"num_gpus": 0}, "1 or more, got 0"),
        ({"val": "coco:a:b"}, "a root has --val-split"),
        ({"data": "coco:a:b", "val_split": "val"}, "say --val coco"),
        ({"options": ("SEED",)}, "has no value"),
        ({"read": ReadOptions(boxes_as_clicks=True)}, "go with --data coco:JSON:IMAGE_DIR"),
        ({"read": ReadOptions("first"), "data": "coco:a:b"}, "and --supervision clicks"),
    ],
)
def test_a_request_that_cannot_be_is_refused(tmp_path, fields, message):
    given = {"data": str(tmp_path), "supervision": "tags", "output": tmp_path / "run"} | fields
    with pytest.raises(ValueError, match=message):
        Request(**given)


@pytest.mark.parametrize("name", ["cues", "maps"])
def test_supplied_folders_must_exist(tmp_path, name):
    with pytest.raises(ValueError, match=f"--{name}: .* is not a folder"):
        Request(str(tmp_path), "tags", tmp_path / "run", **{name: tmp_path / "nothing"})


def test_a_run_may_have_stages_of_its_own(tmp_path):
    stage = Step("more", "More")
    request = Request("a", "tags", tmp_path / "run", more_stages=(("labels", stage),))
    names = request.recipe.stage_names
    assert names[names.index("labels") + 1] == "more" and len(names) == len(RECIPE.stages) + 1
    assert "more" not in RECIPE.stage_names
