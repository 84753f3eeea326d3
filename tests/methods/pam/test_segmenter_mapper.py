"""Samples of the network that learns weak maps."""

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from bestie.data import build_mapper
from bestie.data.mappers import mapper_class
from bestie.formats import DataError, write_semantic_map
from tests.evaluation.tiny_data import HEIGHT, WIDTH, write_root
from tests.methods.pam.tiny_segmenter import write_segmenter


@pytest.fixture
def name(tmp_path):
    return write_root(tmp_path / "root")


def test_a_training_sample_is_a_crop_of_image_and_map(tmp_path, name):
    cfg = write_segmenter(tmp_path / "model", name, "INPUT.SCALES", "[1.0]")
    sample = build_mapper(cfg, is_train=True)(DatasetCatalog.get(name)[0])
    assert sample["image"].shape == (3, 32, 32) and sample["semantic_map"].shape == (32, 32)
    values, counts = np.unique(sample["semantic_map"], return_counts=True)
    assert values.tolist() == [0, 1, 255]  # outside the image nothing is known
    assert counts[2] == 32 * 32 - HEIGHT * WIDTH
    assert sample["image_name"] == "img0" and "image_labels" not in sample


def test_at_inference_it_gives_what_the_classifier_gets(tmp_path, name):
    cfg = write_segmenter(tmp_path / "model", name)
    sample = build_mapper(cfg, is_train=False)(DatasetCatalog.get(name)[1])
    assert sample["image"].shape == (3, HEIGHT, WIDTH)
    assert sample["image_labels"].tolist() == [False, True] and "semantic_map" not in sample


def test_maps_come_from_the_folder_that_the_config_names(tmp_path, name):
    folder = tmp_path / "other"
    cfg = write_segmenter(tmp_path / "model", name, "INPUT.MAPS_DIR", str(folder))
    assert mapper_class(cfg).training_needs(cfg) == {"images", "maps"}
    mapper, record = build_mapper(cfg, is_train=True), DatasetCatalog.get(name)[0]
    with pytest.raises(DataError, match="other/img0.png"):
        mapper(record)
    write_semantic_map(folder / "img0.png", np.zeros((HEIGHT, WIDTH + 1), np.uint8))
    with pytest.raises(DataError, match=r"has \(12, 21\) pixels .*, its image \(12, 20\)"):
        mapper(record)
    write_semantic_map(folder / "img0.png", np.full((HEIGHT, WIDTH), 2, np.uint8))
    assert set(np.unique(mapper(record)["semantic_map"])) <= {2, 255}
