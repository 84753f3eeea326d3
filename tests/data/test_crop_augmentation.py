"""The training transform of image, map and points, as the configuration puts it together."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from bestie.data import augment, seeded
from bestie.data.crop_augmentation import build_crop_augmentation


def test_distortion_is_that_of_the_reference(cfg):
    red = np.full((8, 8, 3), (120, 60, 60), np.uint8)
    cfg.INPUT.SCALES, cfg.INPUT.CROP.SIZE = [1.0], [8, 8]
    augmentation = T.AugmentationList(build_crop_augmentation(cfg))
    for seed in range(60):
        with seeded(seed):
            low, middle, high = np.sort(pixel := augment(augmentation, red)[0][4, 4].astype(float))
        assert pixel.argmax() == 0 and 60 * (middle - low) / (high - low) <= 37  # hue within 36
        assert 0.42 < 1 - low / high < 0.6  # saturation 0.5, but for the brightness of +-16
        assert 0.5 * 104 - 2 <= high <= 1.5 * 136 + 2  # contrast of 0.5..1.5 on top


def test_switches_change_the_steps(cfg):
    full = [type(step).__name__ for step in build_crop_augmentation(cfg)]
    assert full == ["ResizeAndScale", "ColorAugSSDTransform", "CropOnCanvas", "RandomFlip"]
    cfg.INPUT.COLOR_AUG, cfg.INPUT.RANDOM_FLIP, cfg.INPUT.RANDOM_ROTATE90 = False, "none", True
    names = [type(step).__name__ for step in build_crop_augmentation(cfg)]
    assert names == ["ResizeAndScale", "RandomQuarterTurn", "RandomFlip", "CropOnCanvas"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("INPUT.CROP.ENABLED", False, "ENABLED False"),
        ("INPUT.CROP.TYPE", "relative", "TYPE relative"),
        ("INPUT.CROP.SIZE", [0, 9], r"SIZE \(0, 9\)"),
        ("INPUT.SCALES", [], "INPUT.SCALES"),
        ("INPUT.SCALES", [0.0, 1.0], "INPUT.SCALES"),
        ("INPUT.BASE_SIZE", 32, "INPUT.BASE_SIZE"),
    ],
)
def test_settings_that_make_no_sense_are_named(cfg, key, value, message):
    cfg.merge_from_list([key, value])
    with pytest.raises(ValueError, match=message):
        build_crop_augmentation(cfg)
