"""The training transform of the classifier, as the configuration puts it together."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from bestie.data import augment
from bestie.methods.pam.augmentation import build_pam_augmentation


def test_classifier_sees_a_crop_of_a_square(cfg):
    cfg.INPUT.BASE_SIZE, cfg.INPUT.CROP.SIZE = 384, [321, 321]
    names = [type(step).__name__ for step in build_pam_augmentation(cfg)]
    assert names == ["Resize", "RandomFlip", "RandomColorJitter", "CropOnCanvas"]
    image = np.zeros((100, 200, 3), np.uint8)
    assert augment(T.AugmentationList(build_pam_augmentation(cfg)), image)[0].shape == (321, 321, 3)


def test_color_jitter_needs_four_numbers(cfg):
    cfg.INPUT.COLOR_JITTER = [0.3, 0.3]
    with pytest.raises(ValueError, match="INPUT.COLOR_JITTER must be 4 numbers"):
        build_pam_augmentation(cfg)


def test_switches_change_the_steps(cfg):
    cfg.INPUT.BASE_SIZE, cfg.INPUT.RANDOM_FLIP, cfg.INPUT.COLOR_JITTER = 0, "none", [0, 0, 0, 0]
    assert [type(step).__name__ for step in build_pam_augmentation(cfg)] == ["CropOnCanvas"]
    cfg.INPUT.RANDOM_ROTATE90 = True
    names = [type(step).__name__ for step in build_pam_augmentation(cfg)]
    assert names == ["RandomQuarterTurn", "RandomFlip", "CropOnCanvas"]


@pytest.mark.parametrize("jitter", [[0.3, 0.3, 0.3, -0.1], []])
def test_color_jitter_is_not_negative_nor_missing(cfg, jitter):
    cfg.INPUT.COLOR_JITTER = jitter
    with pytest.raises(ValueError, match="INPUT.COLOR_JITTER must be 4 numbers of 0 or more"):
        build_pam_augmentation(cfg)


def test_a_relative_crop_is_refused(cfg):
    cfg.INPUT.CROP.TYPE = "relative"
    with pytest.raises(ValueError, match="TYPE relative"):
        build_pam_augmentation(cfg)
