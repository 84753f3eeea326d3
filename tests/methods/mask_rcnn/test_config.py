"""Keys of Mask R-CNN's labels: values out of range and switches without an effect are refused."""

import pytest

from bestie.methods.mask_rcnn.config import check_mask_rcnn_config
from bestie.training.accepted_values import unaccepted_values
from bestie.training.setup import merge_config

WEIGHTS = ("MODEL.MASK_RCNN.WEIGHT_BY_SCORE", "True")
THRESH = "MODEL.MASK_RCNN.LABEL_SCORE_THRESH"


def config(*options, file="maskrcnn"):
    return merge_config(f"configs/pipeline/quick/{file}.yaml", list(options))


def test_the_presets_and_their_switches_are_accepted():
    for options in ((), WEIGHTS, (THRESH, "0.5")):
        assert check_mask_rcnn_config(config(*options)) == []
    for preset in ("quick", "small", "r50", "hrnet48"):
        file = f"configs/pipeline/{preset}/maskrcnn_cascade.yaml"
        cfg = merge_config(file, ["MODEL.DEVICE", "cpu"])
        assert check_mask_rcnn_config(cfg) == [] and unaccepted_values(cfg) == []
        assert cfg.MODEL.ROI_HEADS.NAME == "CascadeROIHeads"


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (config(*WEIGHTS, file="maskrcnn_cascade"), "needs MODEL.ROI_HEADS.NAME StandardROIHeads"),
        (config(*WEIGHTS, "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "giou"), "smooth_l1, got giou"),
        (config(*WEIGHTS, file="bestie"), "WEIGHT_BY_SCORE has an effect only with"),
        (config(THRESH, "0.5", file="bestie"), "LABEL_SCORE_THRESH has an effect only with"),
    ],
)
def test_switches_without_an_effect_are_refused(cfg, message):
    assert message in "\n".join(check_mask_rcnn_config(cfg))


def test_scores_lie_between_0_and_1():
    assert f"{THRESH} must lie in [0, 1], got 2.0." in unaccepted_values(config(THRESH, "2.0"))
