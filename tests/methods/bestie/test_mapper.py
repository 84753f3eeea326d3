"""The mapper of BESTIE: what it ships in training and at inference, and what it refuses."""

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog

from bestie.data import build_mapper, register_dataset, seeded
from bestie.formats import DataError, read_points, write_points, write_semantic_map
from bestie.methods.bestie.mapper import BESTIEMapper
from tests.conftest import shared_data


@pytest.fixture
def still(cfg):
    """Config whose training transform is a crop of the whole image: the identity."""
    cfg.INPUT.SCALES, cfg.INPUT.CROP.SIZE = [1.0], [40, 56]
    cfg.INPUT.COLOR_AUG, cfg.INPUT.RANDOM_FLIP = False, "none"
    return cfg


@pytest.fixture
def dicts(cfg):
    return DatasetCatalog.get(cfg.DATASETS.TRAIN[0])


def test_training_sample_holds_what_the_model_takes(cfg, dicts):
    with seeded(0):
        sample = build_mapper(cfg, True)(dicts[0])
    expected = {
        "image": ((3, 32, 48), torch.uint8),
        "image_labels": ((3,), torch.bool),
        "semantic_map": ((32, 48), torch.uint8),
        "components": ((32, 48), torch.int16),
    }
    for key, (shape, dtype) in expected.items():
        assert tuple(sample[key].shape) == shape and sample[key].dtype == dtype
    assert sample["points"].dtype == torch.float32
    for key in ("point_classes", "component_classes", "component_centroids"):
        assert sample[key].dtype == torch.int64
    assert sample["component_confidence"].dtype == torch.float32
    assert (sample["image_name"], sample["image_id"]) == ("a", 10)
    assert (sample["height"], sample["width"]) == (40, 56)


def test_identity_transform_ships_the_files(still, dicts):
    sample = build_mapper(still, True)(dicts[0])
    assert sample["image_labels"].tolist() == [True, True, False]
    assert sample["points"].tolist() == [[9, 10], [26, 36]]
    assert sample["point_classes"].tolist() == sample["component_classes"].tolist() == [0, 1]
    assert sample["component_centroids"].tolist() == [[8, 9], [25, 35]]
    assert sample["component_confidence"].tolist() == [1, 1]
    np.testing.assert_array_equal(
        sample["semantic_map"] > 0, sample["components"] > 0, err_msg="no small component here"
    )


def test_image_without_objects_ships_empty_labels(still, dicts):
    sample = build_mapper(still, True)(dicts[3])
    assert not sample["image_labels"].any() and not sample["components"].any()
    assert sample["points"].shape == (0, 2) and sample["component_centroids"].shape == (0, 2)
    assert len(sample["component_confidence"]) == len(sample["point_classes"]) == 0


def test_component_with_two_points_is_not_accepted(still, dicts, root):
    path = root / "Center_points" / "a.txt"
    path.write_text(path.read_text() + "6 5 0 1.0\n")
    assert build_mapper(still, True)(dicts[0])["component_confidence"].tolist() == [0, 1]


@pytest.mark.parametrize("more", ["6 5 0 1.0\n", "6 5 0 1.0\n6.4 5.4 0 1.0\n"])
def test_components_with_several_points_are_cut_if_asked_for(still, dicts, root, more):
    """Two points of one pixel are one."""
    path = root / "Center_points" / "a.txt"
    path.write_text(path.read_text() + more)
    still.MODEL.BESTIE.SPLIT, still.MODEL.BESTIE.MIN_AREA = 0.25, 10
    sample = build_mapper(still, True)(dicts[0])
    assert sample["component_classes"].tolist() == [0, 0, 1]
    assert sample["component_confidence"].tolist() == [0.25, 0.25, 1]
    assert sample["component_is_piece"].tolist() == [True, True, False]
    assert 0 < sample["components"][5, 6] != sample["components"][9, 10] > 0


def test_weak_points_and_points_of_other_classes_do_not_count(still, dicts, root):
    (root / "Center_points" / "a.txt").write_text("10 9 0 0.7\n36 26 1 0.71\n36 26 2 1.0\n")
    sample = build_mapper(still, True)(dicts[0])
    assert sample["point_classes"].tolist() == [1]
    assert sample["component_confidence"].tolist() == [0, 1]


def test_classes_that_are_no_tags_have_no_components(still, dicts):
    dicts[0]["image_labels"] = [1]
    sample = build_mapper(still, True)(dicts[0])
    assert sample["component_classes"].tolist() == [1]
    assert set(np.unique(sample["semantic_map"])) == {0, 1, 2}


def test_small_components_are_passed_over(still, dicts):
    still.MODEL.BESTIE.MIN_AREA = 101
    assert build_mapper(still, True)(dicts[0])["component_classes"].tolist() == [1]


def test_test_sample_is_the_whole_image_with_its_points(cfg, dicts):
    sample = build_mapper(cfg, False)(dicts[0])
    assert sample["image"].shape == (3, 40, 56)
    assert sample["points"].tolist() == [[9, 10], [26, 36]]
    assert "semantic_map" not in sample


def test_points_at_test_time_are_optional_unless_they_are_used(cfg, dicts, root):
    (root / "Center_points" / "a.txt").unlink()
    assert "points" not in build_mapper(cfg, False)(dicts[0])
    cfg.MODEL.BESTIE.TEST.USE_CLICKS = True
    with pytest.raises(DataError, match="a.txt: file does not exist"):
        build_mapper(cfg, False)(dicts[0])


def test_folders_of_points_and_maps_can_be_chosen(still, dicts, root, tmp_path):
    other_map = np.full((40, 56), 2, np.uint8)
    write_semantic_map(tmp_path / "maps" / "a.png", other_map)
    write_points(root / "other" / "a.txt", read_points(root / "Center_points" / "c.txt"))
    still.INPUT.POINTS_DIR, still.INPUT.MAPS_DIR = "other", str(tmp_path / "maps")
    dicts[0]["image_labels"] = [2]
    sample = build_mapper(still, True)(dicts[0])
    np.testing.assert_array_equal(sample["semantic_map"], other_map)
    assert sample["point_classes"].tolist() == [2, 2]


def test_config_and_keywords_agree(still, dicts):
    by_config = build_mapper(still, True)(dicts[0])
    by_keywords = BESTIEMapper(is_train=True, num_classes=3, points_dir="Center_points")(dicts[0])
    assert by_config.keys() == by_keywords.keys()
    for key, value in by_config.items():
        np.testing.assert_array_equal(value, by_keywords[key])


def test_channel_order(still, dicts):
    rgb = build_mapper(still, True)(dicts[0])["image"]
    still.INPUT.FORMAT = "BGR"
    np.testing.assert_array_equal(build_mapper(still, True)(dicts[0])["image"], rgb.flip(0))


@pytest.mark.parametrize(("key", "message"), [("image_labels", "no tags"), ("root", "folder:ROOT")])
def test_what_is_missing_is_named(cfg, dicts, key, message):
    del dicts[0][key]
    with pytest.raises(DataError, match=message):
        build_mapper(cfg, True)(dicts[0])


@pytest.mark.parametrize("is_train", [True, False])
def test_class_out_of_range_names_the_line(cfg, dicts, root, is_train):
    path = root / "Center_points" / "a.txt"
    path.write_text(path.read_text() + "6 5 3 0.1\n")
    with pytest.raises(DataError, match=r"Center_points/a.txt, line 3: class 3; 0..2 are accepted"):
        build_mapper(cfg, is_train)(dicts[0])


def test_map_of_another_size_is_an_error(cfg, dicts, root):
    write_semantic_map(root / "WSSS_maps" / "a.png", np.zeros((40, 55), np.uint8))
    with pytest.raises(DataError, match="WSSS_maps/a.png"):
        build_mapper(cfg, True)(dicts[0])


@pytest.mark.parametrize("name", ["nuclei_mini", "coco_mini"])
def test_real_data_accepted_components_hold_one_click(cfg, name):
    dataset = f"folder:{shared_data(name)}:train"
    register_dataset(dataset)
    cfg.INPUT.BASE_SIZE, cfg.INPUT.CROP.SIZE = 256, [224, 224]
    cfg.MODEL.BESTIE.NUM_CLASSES = 80
    mapper = build_mapper(cfg, True)
    total = 0
    for position, record in enumerate(DatasetCatalog.get(dataset)[:6]):
        with seeded(position):
            sample = mapper(record)
        rows, columns = sample["points"].long().T
        hit = sample["components"][rows, columns].long() - 1
        own = (hit >= 0) & (sample["component_classes"][hit] == sample["point_classes"])
        counts = torch.bincount(hit[own], minlength=len(sample["component_classes"]))
        assert ((counts == 1) == (sample["component_confidence"] == 1)).all()
        total += int(sample["component_confidence"].sum())
    assert total > 0


@pytest.mark.parametrize(("supervision", "points"), [("tags", "peak_points"), ("clicks", "clicks")])
def test_needs_of_the_data_follow_the_supervision_and_what_inference_uses(cfg, supervision, points):
    cfg.MODEL.BESTIE.SUPERVISION = supervision
    assert BESTIEMapper.training_needs(cfg) == {"images", "tags", "maps", points}
    assert BESTIEMapper.testing_needs(cfg) == {"images"}
    cfg.MODEL.BESTIE.TEST.USE_TAGS = cfg.MODEL.BESTIE.TEST.USE_CLICKS = True
    assert BESTIEMapper.testing_needs(cfg) == {"images", "tags", points}


def test_at_inference_image_and_points_get_the_size_of_the_grid_and_of_the_scale(cfg, dicts):
    cfg.INPUT.TEST_SIZE, cfg.MODEL.BESTIE.TEST.SCALE = 112, 0.5
    sample = build_mapper(cfg, False)(dicts[0])
    assert sample["grid_size"] == (80, 112)  # twice the photo's 40 x 56
    assert sample["image"].shape == (3, 40, 56)
    assert (sample["height"], sample["width"]) == (40, 56)
    # The middle of pixel (9, 10) lies at (19, 21) of the doubled grid, which is index 18.5, 20.5.
    assert sample["points"][0].tolist() == pytest.approx([18.5, 20.5], abs=0.5)
