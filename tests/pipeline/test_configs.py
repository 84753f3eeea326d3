import pytest

from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from tests.pipeline.tiny_root import write_tiny_root

PRESETS, TRAININGS = RECIPE.preset_names, RECIPE.training_names


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def configs(root, supervision="tags", options=(), **fields):
    output = root.parent / "run"
    request = Request(str(root), supervision, output, options=tuple(options), **fields)
    return TrainingConfigs(request, open_source(request, root), output)


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


def test_random_weights_on_a_cpu_are_trained_in_one_process(root):
    made = configs(root, options=("DEVICE", "cpu"), num_gpus=2)
    assert [made.processes(name) for name in ("classifier", "bestie", "maskrcnn")] == [1, 1, 2]
    weights = ("DEVICE", "cpu", "bestie:MODEL.TIMM.WEIGHTS", "timm")
    made = configs(root, options=weights, num_gpus=2)
    assert made.processes("bestie") == 2
    made = configs(root, options=("DEVICE", "cuda"), num_gpus=2)
    assert [made.processes(name) for name in ("classifier", "bestie", "maskrcnn")] == [2, 2, 2]


def test_unknown_keys_are_named(root):
    with pytest.raises(ValueError, match="NO_SUCH_KEY"):
        configs(root, options=["MODEL.NO_SUCH_KEY", "1"])
