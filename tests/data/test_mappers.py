"""Mappers: what they ship, and that they name what is missing."""

import pytest
from detectron2.data import DatasetCatalog

from bestie.data import MAPPER_REGISTRY, build_mapper, points_folder
from bestie.formats import DataError


@pytest.fixture
def dicts(cfg):
    return DatasetCatalog.get(cfg.DATASETS.TRAIN[0])


def test_dicts_of_detectron2_are_named_by_their_file(cfg, dicts):
    record = {key: dicts[0][key] for key in ("file_name", "image_id")}
    for cfg.INPUT.DATASET_MAPPER_NAME in ("BESTIEMapper", "PAMMapper"):
        sample = build_mapper(cfg, False)(record)
        assert sample["image_name"] == "a" and sample["image"].shape == (3, 40, 56)
        assert (sample.get("height", 40), sample.get("width", 56)) == (40, 56)


def test_points_folder_is_chosen_or_that_of_the_supervision(cfg):
    assert points_folder(cfg) == "Center_points"
    cfg.MODEL.BESTIE.SUPERVISION = "boxes"
    with pytest.raises(ValueError, match="must be one of tags, clicks, got 'boxes'"):
        points_folder(cfg)
    cfg.INPUT.POINTS_DIR = "other"
    assert points_folder(cfg) == "other"


def test_image_of_another_size_than_listed_is_an_error(cfg, dicts):
    dicts[0]["height"] = 41
    with pytest.raises(DataError, match="a.png"):
        build_mapper(cfg, False)(dicts[0])


def test_unknown_mapper_and_class_number_are_named(cfg):
    assert {"BESTIEMapper", "PAMMapper", "InstanceMapper"} <= {name for name, _ in MAPPER_REGISTRY}
    cfg.MODEL.BESTIE.NUM_CLASSES = -1
    with pytest.raises(ValueError, match="MODEL.BESTIE.NUM_CLASSES must be 1 or more, got -1"):
        build_mapper(cfg, True)
    cfg.INPUT.DATASET_MAPPER_NAME = "Mapper"
    with pytest.raises(ValueError, match="one of BESTIEMapper, InstanceMapper, PAMMapper"):
        build_mapper(cfg, True)
