import pytest

from bestie.methods.solo.config import CHOICES, RANGES, check_solo_config
from bestie.training.setup import default_config, merge_config


def solo_config(*options):
    return merge_config("configs/quick/shapes_solo.yaml", list(map(str, options)))


def test_defaults_are_those_of_the_paper():
    node = default_config().MODEL.SOLO
    assert node.GRIDS == [40, 36, 24, 16, 12] and node.SIGMA == 0.2
    assert (node.DICE_WEIGHT, node.FOCAL_WEIGHT) == (3.0, 1.0)
    assert (node.FOCAL_ALPHA, node.FOCAL_GAMMA, node.PRIOR) == (0.25, 2.0, 0.01)
    assert (node.TEST.NMS, node.TEST.NMS_KERNEL, node.TEST.NMS_SIGMA) == ("matrix", "gaussian", 2.0)


@pytest.mark.parametrize("config", ["quick/shapes_solo.yaml", "Base-SOLO.yaml"])
def test_shipped_configs_have_no_problem(config):
    assert check_solo_config(merge_config(f"configs/{config}", [])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.SOLO.GRIDS", "[20, 14]"], "MODEL.SOLO.IN_FEATURES 4, MODEL.SOLO.GRIDS 2"),
        (["MODEL.SOLO.SCALE_RANGES", "[[9, 4], [1, 2], [1, 2], [1, 2]]"], r"pixels, got \[9, 4\]"),
        (["MODEL.SOLO.KERNEL_CHANNELS", "70"], "KERNEL_CHANNELS must be a multiple of.*16, got 70"),
        (["INPUT.MASK_FORMAT", "polygon"], "must be bitmask, got 'polygon'"),
        (["MODEL.MASK_ON", "False"], "MODEL.MASK_ON must be True"),
    ],
)
def test_a_mistake_is_named_with_its_key(options, message):
    (problem,) = check_solo_config(solo_config(*options))
    with pytest.raises(ValueError, match=message):
        raise ValueError(problem)


def test_every_range_and_choice_is_checked():
    for name, (low, _) in RANGES.items():
        value = type(_value(name))(low - 1)
        problems = check_solo_config(solo_config(f"MODEL.SOLO.{name}", value))
        assert any(f"MODEL.SOLO.{name} must lie in" in problem for problem in problems), name
    for name, accepted in CHOICES.items():
        (problem,) = check_solo_config(solo_config(f"MODEL.SOLO.{name}", "other"))
        assert f"one of {', '.join(accepted)}, got 'other'" in problem


def _value(name):
    node = default_config().MODEL.SOLO
    for part in name.split("."):
        node = node[part]
    return node
