"""Settings that contradict each other or have no effect: all of them at once."""

import pytest

from bestie.training.config_check import check_config
from bestie.training.setup import merge_config


@pytest.mark.parametrize("key", ["MODEL.WEIGHTS", "MODEL.TIMM.WEIGHTS", "MODEL.PAM.VGG_WEIGHTS"])
def test_a_kind_is_one_of_the_words_and_prose_needs_one(key):
    cfg = merge_config("", ["MODEL.DEVICE", "cpu"])
    cfg.merge_from_list([f"{key}_KIND", "Masks"])
    with pytest.raises(ValueError, match=f"{key}_KIND must be one of masks, boxes"):
        check_config(cfg)
    cfg.merge_from_list([f"{key}_KIND", "", f"{key}_LABELS", "image tags"])
    with pytest.raises(ValueError, match=f"{key}_LABELS 'image tags' is only shown: say with"):
        check_config(cfg)
    cfg.merge_from_list([f"{key}_KIND", "tags"])
    check_config(cfg)


def test_all_problems_are_listed_at_once():
    cfg = merge_config("", ["MODEL.DEVICE", "cpu", "INPUT.TEST_SIZE", "7", "SEED", "-3"])
    with pytest.raises(ValueError, match="problem.s. in the configuration") as caught:
        check_config(cfg)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + int(lines[0].split()[0])
    assert any("INPUT.TEST_SIZE must be 0" in line for line in lines)
    assert any("SEED" in line for line in lines)


def test_detections_that_no_candidate_can_reach_are_named():
    cfg = merge_config(
        "configs/quick/shapes_maskrcnn.yaml",
        ["MODEL.DEVICE", "cpu", "TEST.DETECTIONS_PER_IMAGE", "100000"],
    )
    with pytest.raises(ValueError, match="TEST.DETECTIONS_PER_IMAGE 100000 cannot be reached"):
        check_config(cfg)
