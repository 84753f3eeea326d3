"""Keys of PAM: what would have no effect, or does not exist, is named."""

import pytest

from bestie.methods.pam.config import check_pam_config
from bestie.training.setup import merge_config

QUICK = "configs/pipeline/quick/classifier.yaml"


def problems(*overrides):
    return check_pam_config(merge_config(QUICK, ["SOLVER.MAX_ITER", "100", *overrides]))


def test_attention_has_to_start_before_the_training_ends():
    assert problems("MODEL.PAM.START_ITER", "99") == []
    (problem,) = problems("MODEL.PAM.START_ITER", "100")
    assert "START_ITER 100 lies beyond SOLVER.MAX_ITER 100" in problem
    assert "set MODEL.PAM.ALPHA 0" in problem


def test_a_plain_classifier_and_other_models_have_no_attention_to_start():
    late = ("MODEL.PAM.START_ITER", "100")
    assert problems(*late, "MODEL.PAM.ALPHA", "0.0") == []
    assert problems(*late, "MODEL.META_ARCHITECTURE", "BESTIE") == []


def test_the_feature_of_the_affinities_is_one_that_the_backbone_has():
    walk = ("MODEL.PAM.START_ITER", "0", "MODEL.PAM.MAPS.AFFINITY_STEPS", "1")
    walk += ("MODEL.PAM.MAPS.AFFINITY_FEATURE",)
    assert problems(*walk, "res4") == []
    (problem,) = problems(*walk, "conv4")
    assert "AFFINITY_FEATURE must be one of res2, res3, res4, res5" in problem
    vgg = ("MODEL.BACKBONE.NAME", "build_vgg16_backbone")
    assert problems(*vgg, *walk, "conv4") == []
    (problem,) = problems(*vgg, *walk, "res3")
    assert "must be one of conv1, conv2, conv3, conv4, conv5" in problem
    assert problems("MODEL.PAM.START_ITER", "0", *vgg) == []
    (problem,) = problems("MODEL.BACKBONE.NAME", "build_resnet_backbone", *walk, "res3")
    assert "AFFINITY_STEPS needs MODEL.BACKBONE.NAME build_timm_backbone or" in problem


def test_shallow_maps_of_hrnet_have_layers_that_tags_do_not_train():
    walk = ("MODEL.PAM.START_ITER", "0", "MODEL.PAM.MAPS.AFFINITY_STEPS", "1")
    walk += ("MODEL.TIMM.NAME", "hrnet_w18_small", "MODEL.PAM.MAPS.AFFINITY_FEATURE")
    (problem,) = problems(*walk, "res3")
    assert "AFFINITY_FEATURE must be res5 with hrnet_w18_small, got res3" in problem
    assert problems(*walk, "res5") == []


SEGMENTER = ("MODEL.META_ARCHITECTURE", "WeakMapSegmenter", "INPUT.CROP.ENABLED", "True")
SEGMENTER += ("INPUT.CROP.SIZE", "[64, 96]")


def test_pixels_are_left_out_from_some_iteration_of_the_training_on_or_never():
    keys = ("MODEL.SEMANTIC.KEPT_SHARE", "MODEL.SEMANTIC.DROP_START_ITER")
    assert problems(*SEGMENTER, keys[0], "0.8", keys[1], "10") == []
    (problem,) = problems(*SEGMENTER, keys[0], "0.8", keys[1], "50", "SOLVER.MAX_ITER", "50")
    assert "no pixel would be left out" in problem
    (problem,) = problems(*SEGMENTER, keys[1], "10")
    assert "has no effect with MODEL.SEMANTIC.KEPT_SHARE 1" in problem


def test_the_segmenter_trains_on_crops_of_whole_strides():
    (problem,) = problems(*SEGMENTER, "INPUT.CROP.ENABLED", "False")
    assert "set INPUT.CROP.ENABLED True" in problem
    (problem,) = problems(*SEGMENTER, "INPUT.CROP.SIZE", "[64, 100]")
    assert "multiples of 32 for WeakMapSegmenter, got [64, 100]" in problem


@pytest.mark.parametrize(("data", "images"), [("voc", 10582), ("coco", 117266)])
def test_paper_configs_decay_after_epochs_4_and_9_of_15(data, images):
    cfg = merge_config(f"configs/PAM/{data}_vgg16.yaml", [])
    steps = -(-images // 10)  # of an epoch; the last batch is smaller
    assert cfg.SOLVER.IMS_PER_BATCH == 10
    assert cfg.SOLVER.STEPS == (4 * steps, 9 * steps) and cfg.SOLVER.MAX_ITER == 15 * steps
