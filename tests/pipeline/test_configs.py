import numpy as np
import pytest
from PIL import Image

from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from bestie.training.setup import merge_config
from tests.pipeline.tiny_root import write_tiny_root

PRESETS, TRAININGS = RECIPE.preset_names, RECIPE.training_names


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def configs(root, supervision="tags", options=(), **fields):
    output = root.parent / "run"
    request = Request(str(root), supervision, output, options=tuple(options), **fields)
    return TrainingConfigs(request, open_source(request, root), output)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_the_three_trainings(root, preset):
    cfg = configs(root, preset=preset).cfg
    architectures = [cfg[name].MODEL.META_ARCHITECTURE for name in TRAININGS]
    assert architectures == ["PAMClassifier", "BESTIE", "GeneralizedRCNN"]
    labels = f"coco:{root.parent / 'run/labels/labels.json'}:{root / 'JPEGImages'}"
    assert cfg["maskrcnn"].DATASETS.TRAIN == (labels,)
    assert cfg["bestie"].INPUT.POINTS_DIR == str(root.parent / "run/cues")


def test_the_quick_mask_rcnn_starts_from_bestie_and_the_others_do_not(root):
    weights = str(root.parent / "run/bestie/model_final.pth")
    assert configs(root).cfg["maskrcnn"].MODEL.TIMM.WEIGHTS == weights
    assert configs(root, preset="r50").cfg["maskrcnn"].MODEL.TIMM.WEIGHTS != weights


def test_settings_of_the_user_come_last(root):
    made = configs(root, options=["bestie:SOLVER.MAX_ITER", "7", "SEED", "3", "DEVICE", "cpu"])
    assert made.cfg["bestie"].SOLVER.MAX_ITER == 7 and made.cfg["classifier"].SEED == 3
    assert made.arguments("bestie").count("MODEL.DEVICE") == 1  # the launcher takes the first


def test_bestie_leaves_three_checkpoints_at_least(root):
    def period(*options):
        return configs(root, options=options).cfg["bestie"].SOLVER.CHECKPOINT_PERIOD

    assert period("bestie:SOLVER.MAX_ITER", "10") == 4
    assert period("bestie:SOLVER.CHECKPOINT_PERIOD", "9", "bestie:SOLVER.MAX_ITER", "10") == 9
    assert period("bestie:SOLVER.MAX_ITER", "90000") == 500


def test_without_truth_nothing_is_evaluated_in_the_trainings(root):
    (root / "annotations/instances_val.json").unlink()
    for preset in PRESETS:
        cfg = configs(root, preset=preset).cfg
        assert cfg["bestie"].DATASETS.TEST == cfg["maskrcnn"].DATASETS.TEST == ()
        assert cfg["bestie"].TEST.EVAL_PERIOD == 0 and cfg["bestie"].TEST.BEST_METRIC == ""
        assert cfg["classifier"].DATASETS.TEST == (f"folder:{root}:val",)


def test_without_tags_of_all_validation_images_the_classifier_is_not_scored(root):
    lines = (root / "image_labels.txt").read_text().splitlines()[:-1]
    (root / "image_labels.txt").write_text("\n".join(lines) + "\n")
    assert configs(root).cfg["classifier"].DATASETS.TEST == ()


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
FULL = {"classifier": (500, 384), "bestie": (500, 480)}


@pytest.mark.parametrize(("preset", "expected"), [("quick", QUICK), ("r50", FULL)])
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
    assert sizes_of(made) == {"classifier": (0, 192), "bestie": (160, 0)}
    assert made.cfg["bestie"].INPUT.TEST_SIZE_KEPT == [140, 180]
    save_images(root, (375, 500), (500, 333))
    made = configs(root, preset="hrnet48")
    assert sizes_of(made) == {"classifier": (0, 384), "bestie": (500, 480)}
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


@pytest.mark.parametrize("reason", ["", "slower on this CPU"])
def test_the_quick_preset_takes_bfloat16_where_the_cpu_is_faster_with_it(root, monkeypatch, reason):
    monkeypatch.setattr("bestie.pipeline.configs.why_no_bfloat16", lambda cfg: reason)
    made = configs(root, options=["DEVICE", "cpu"])
    assert all(made.cfg[name].SOLVER.AMP.ENABLED == (not reason) for name in TRAININGS)
    assert made.describe_precision() == ("float32" if reason else "bfloat16")
    assert (
        not configs(root, preset="r50", options=["DEVICE", "cpu"]).cfg["bestie"].SOLVER.AMP.ENABLED
    )
    options = ["DEVICE", "cpu", "bestie:SOLVER.AMP.ENABLED", "False"]
    made = configs(root, options=options)
    assert not made.cfg["bestie"].SOLVER.AMP.ENABLED
    if not reason:
        text = "classifier bfloat16, bestie float32, maskrcnn bfloat16"
        assert made.describe_precision() == text


def test_fingerprints_ignore_paths_and_know_settings(root, tmp_path):
    made = configs(root)
    elsewhere = write_tiny_root(tmp_path / "elsewhere/root", train=3, val=2)
    assert made.digest("bestie") == configs(elsewhere).digest("bestie")
    other = configs(root, options=["MODEL.PAM.CUES.TOP_K", "3"])
    assert made.digest("classifier") != other.digest("classifier")
    without = ("MODEL.PAM.CUES",)
    assert made.digest("classifier", without=without) == other.digest("classifier", without=without)
    assert made.digest("bestie") == other.digest("bestie")


def test_unknown_keys_are_named(root):
    with pytest.raises(ValueError, match="NO_SUCH_KEY"):
        configs(root, options=["MODEL.NO_SUCH_KEY", "1"])
