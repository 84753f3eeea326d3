"""Keys of BESTIE: settings that contradict each other or have no effect are named."""

import re
from pathlib import Path

import pytest

from bestie.methods.bestie.config import check_bestie_config
from bestie.training.setup import merge_config

QUICK = "configs/quick/shapes_tags.yaml"
CLICKS = ("MODEL.BESTIE.SUPERVISION", "clicks")


def problems(*overrides):
    cfg = merge_config(QUICK, list(map(str, overrides)))
    return check_bestie_config(cfg)


@pytest.mark.parametrize("config", sorted(Path("configs/BESTIE").glob("[a-z]*.yaml")), ids=str)
def test_paper_configs_follow_the_official_scripts(config):
    cfg = merge_config(str(config), [])
    node, name = cfg.MODEL.BESTIE, config.stem
    assert (node.TEST.FIT, node.HEAD_STD) == ("resize", 0.001)
    assert node.TEST.FLIP == ("clicks" in name) and node.SUPERVISION in name
    if "r50" in name:  # torchvision's weights, and the settings of Panoptic-DeepLab there
        assert cfg.MODEL.TIMM.NAME == "resnet50.tv_in1k"
        assert (node.ASPP_DROPOUT, cfg.MODEL.TIMM.BN_MOMENTUM) == (0.5, 0.01)
    epochs = cfg.SOLVER.MAX_ITER * cfg.SOLVER.IMS_PER_BATCH / (10582 if "voc" in name else 117266)
    assert round(epochs) == (76 if "voc" in name else 70)
    assert check_bestie_config(cfg) == []


def test_the_quick_config_has_none_for_tags_and_clicks():
    assert problems() == problems(*CLICKS) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("MODEL.BESTIE.REFINE.START_ITER", 99999), "refinement would never start"),
        (("MODEL.BESTIE.CLUSTER.BETA", -1.0), "CLUSTER.BETA -1.0 accepts no blob"),
        (("MODEL.BESTIE.TEST.USE_CLICKS", True), "USE_CLICKS needs MODEL.BESTIE.SUPERVISION"),
        (("MODEL.BESTIE.REFINE.GUIDE_CENTERS", True), "GUIDE_CENTERS has an effect only with"),
        (("INPUT.CROP.ENABLED", False), "set INPUT.CROP.ENABLED True"),
        (("MODEL.TIMM.NAME", "hrnet_w48", "INPUT.CROP.SIZE", "[64, 40]"), "of 32 .*got 40"),
        (
            ("MODEL.TIMM.NAME", "hrnet_w48", "MODEL.BESTIE.TEST.SIZE_DIVISIBILITY", 16),
            "SIZE_DIVISIBILITY must be a multiple of 32 with hrnet_w48, got 16",
        ),
    ],
)
def test_each_is_named_alone(overrides, message):
    (problem,) = problems(*overrides)
    assert re.search(message, problem)


@pytest.mark.parametrize(
    "overrides",
    [
        ("MODEL.BESTIE.REFINE.START_ITER", 99999, "MODEL.BESTIE.REFINE.ENABLED", False),
        ("MODEL.BESTIE.CLUSTER.BETA", 0.0, "MODEL.BESTIE.CLUSTER.ENABLED", False),
        (*CLICKS, "MODEL.BESTIE.TEST.USE_CLICKS", True),
        (*CLICKS, "MODEL.BESTIE.REFINE.GUIDE_CENTERS", True),
    ],
)
def test_what_the_messages_ask_for_is_accepted(overrides):
    assert problems(*overrides) == []


def test_guided_centers_need_all_three():
    guided = (*CLICKS, "MODEL.BESTIE.REFINE.GUIDE_CENTERS", True)
    for off in ("MODEL.BESTIE.REFINE.ENABLED", "MODEL.BESTIE.IAG"):
        (problem,) = problems(*guided, off, False)
        assert "GUIDE_CENTERS has an effect only" in problem


def test_other_models_are_left_alone():
    other = ("MODEL.META_ARCHITECTURE", "GeneralizedRCNN", "MODEL.BESTIE.CLUSTER.BETA", 0.0)
    assert problems(*other) == []
