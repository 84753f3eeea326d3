"""The mapper of the classifier: an image and its tags."""

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from bestie.data import build_mapper
from bestie.formats import DataError
from bestie.methods.pam.mapper import PAMMapper


@pytest.fixture
def dicts(cfg):
    return DatasetCatalog.get(cfg.DATASETS.TRAIN[0])


def test_classifier_gets_image_and_tags_only(cfg, dicts):
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.BASE_SIZE = "PAMMapper", 48
    cfg.INPUT.CROP.SIZE = [40, 40]
    sample = build_mapper(cfg, True)(dicts[0])
    assert sample["image"].shape == (3, 40, 40)
    assert sample["image_labels"].tolist() == [True, True, False]
    assert "points" not in sample and "semantic_map" not in sample
    assert build_mapper(cfg, False)(dicts[0])["image"].shape == (3, 40, 56)


def test_a_longer_side_at_inference_and_the_size_of_the_photo(cfg, dicts):
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.TEST_SIZE = "PAMMapper", 112
    sample = build_mapper(cfg, False)(dicts[0])
    assert sample["image"].shape == (3, 80, 112)
    assert (sample["height"], sample["width"]) == (40, 56)


@pytest.mark.parametrize(("kept", "side"), [([50, 56], 56), ([57, 60], 112), ([50, 55], 112)])
def test_photos_as_large_as_those_of_the_training_keep_their_size(cfg, dicts, kept, side):
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.TEST_SIZE = "PAMMapper", 112
    cfg.INPUT.TEST_SIZE_KEPT = kept
    assert max(build_mapper(cfg, False)(dicts[0])["image"].shape) == side


def test_tags_are_needed_in_training_only(cfg, dicts):
    del dicts[0]["image_labels"]
    assert "image_labels" not in PAMMapper(False, num_classes=3)(dicts[0])
    with pytest.raises(DataError, match="a.png: .*no tags"):
        PAMMapper(True, num_classes=3)(dicts[0])


def test_config_and_keywords_agree_and_bgr_is_the_reverse(cfg, dicts):
    cfg.INPUT.DATASET_MAPPER_NAME = "PAMMapper"
    given = build_mapper(cfg, False)(dicts[0])
    assert given.keys() == PAMMapper(False, num_classes=3)(dicts[0]).keys()
    swapped = PAMMapper(False, num_classes=3, image_format="BGR")(dicts[0])
    np.testing.assert_array_equal(swapped["image"], given["image"].flip(0))


def test_the_number_of_classes_has_to_be_known():
    with pytest.raises(ValueError, match="MODEL.PAM.NUM_CLASSES must be 1 or more, got -1"):
        PAMMapper(True, num_classes=-1)
