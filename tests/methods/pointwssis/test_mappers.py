import cv2
import numpy as np
import pytest
from detectron2.data import transforms as T

from bestie.data import build_mapper
from bestie.formats import DataError, encode_mask
from bestie.methods.pointwssis.mappers import PromptMapper, RefinerMapper
from bestie.training.setup import merge_config


@pytest.fixture
def record(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), image)
    truth, rough = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    truth[4:12, 6:18], rough[5:10, 8:18] = True, True
    annotation = {
        "category_id": 1,
        "segmentation": encode_mask(truth),
        "rough": encode_mask(rough),
        "bbox": [6, 4, 12, 8],
        "bbox_mode": 1,
        "point": [11.0, 7.0],
        "iscrowd": 0,
    }
    return {
        "file_name": str(tmp_path / "x.png"),
        "image_id": 3,
        "image_name": "x",
        "height": 20,
        "width": 30,
        "annotations": [annotation],
    }


def prompt_mapper(prompt="points", **options):
    options = {"num_classes": 2, "augmentation": [T.Resize((40, 60))]} | options
    return PromptMapper(False, prompt=prompt, **options)


def test_click_of_a_json_follows_the_image(record):
    sample = prompt_mapper()(record)
    assert sample["image"].shape == (3, 40, 60)
    # The middle of pixel (7, 11) lies at (15, 23) of the doubled image, which is index 14.5, 22.5.
    assert sample["points"].tolist() == [[14.5, 22.5]]
    assert sample["point_classes"].tolist() == [1] and "instances" not in sample


def test_click_of_a_root_comes_from_its_file(record, tmp_path):
    (tmp_path / "Center_points").mkdir()
    (tmp_path / "Center_points/x.txt").write_text("11 7 1 1.0\n0 0 0 1.0\n")
    record |= {"root": str(tmp_path)}
    del record["annotations"]
    sample = prompt_mapper()(record)
    assert sample["points"].tolist() == [[14.5, 22.5], [0.5, 0.5]]
    (tmp_path / "Center_points/x.txt").write_text("11 7 2 1.0\n")
    with pytest.raises(DataError, match=r"class 2; 0..1 are accepted"):
        prompt_mapper()(record)


def test_known_objects_and_the_oracle_bring_instances(record):
    for sample in (
        prompt_mapper("sizes")(record),
        prompt_mapper("points", level="oracle")(record),
    ):
        instances = sample["instances"]
        assert instances.gt_boxes.tensor.tolist() == [[12, 8, 36, 24]]
        assert instances.gt_masks.tensor.sum() == 4 * 8 * 12


def test_clicks_are_never_taken_from_masks(record):
    del record["annotations"][0]["point"]
    with pytest.raises(DataError, match="1 of its 1 annotations have no 'point'"):
        prompt_mapper()(record)
    del record["annotations"]
    with pytest.raises(DataError, match="comes without clicks"):
        prompt_mapper()(record)


def test_training_and_missing_prompt_are_refused():
    with pytest.raises(ValueError, match="train with InstanceMapper"):
        PromptMapper(True, prompt="points", num_classes=2, augmentation=[])
    with pytest.raises(ValueError, match="needs MODEL.POINTWSSIS.PROMPT"):
        prompt_mapper("none")


@pytest.mark.parametrize("flip", [False, True])
def test_training_crop_shows_rough_and_true_mask_and_the_point(record, flip, monkeypatch):
    monkeypatch.setattr(np.random, "rand", lambda: 0.0)
    mapper = RefinerMapper(True, size=16, scales=(1.0, 1.0), flip=flip)
    sample = mapper(mapper.samples([record])[0])
    # The crop is the box of the rough mask, rows 5..9 and columns 8..17; the true mask fills it.
    assert sample["crop"].shape == (3, 16, 16) and sample["rough"].all() and sample["target"].all()
    column = int((11.5 - 8) / 10 * 16)
    assert sample["point"].tolist() == [int(2.5 / 5 * 16), 15 - column if flip else column]
    assert sample["point_class"].item() == 1
    assert sample["crop"].max() > 1  # not normalized: that is the model's


def test_pairs_become_samples_and_empty_rough_masks_do_not(record):
    empty = record["annotations"][0] | {"rough": encode_mask(np.zeros((20, 30), bool))}
    record["annotations"] += [dict(record["annotations"][0]), empty]
    mapper = RefinerMapper(True, size=16, scales=(1.0, 2.0))
    assert len(mapper.samples([record])) == 2
    record["annotations"] = [empty]
    with pytest.raises(DataError, match="no pair to train on"):
        mapper.samples([record])
    del empty["rough"]
    with pytest.raises(DataError, match="no 'rough' mask"):
        mapper.samples([record])


def test_inference_takes_labels_as_rough_masks(record):
    record["annotations"][0] |= {"score": 0.75, "class_score": 0.5}
    sample = RefinerMapper(False, size=16, scales=(1.0, 2.0))(record)
    instances = sample["instances"]
    assert sample["image"].shape == (3, 20, 30)
    assert instances.pred_masks.areas().tolist() == [8 * 12] and instances.points.tolist() == [
        [7.0, 11.0]
    ]
    assert instances.scores.tolist() == [0.75] and instances.class_scores.tolist() == [0.5]
    record["annotations"] = []
    assert len(RefinerMapper(False, size=16, scales=(1.0, 2.0))(record)["instances"]) == 0


def test_config_builds_both():
    cfg = merge_config(
        "configs/quick/shapes_solo.yaml",
        ["MODEL.POINTWSSIS.PROMPT", "points", "INPUT.DATASET_MAPPER_NAME", "PromptMapper"],
    )
    assert build_mapper(cfg, False).points_dir == "Center_points"
    mapper = build_mapper(merge_config("configs/quick/shapes_refiner.yaml", []), True)
    assert mapper.size == 64 and mapper.flip and mapper.scales == (1.0, 2.0)
    assert isinstance(mapper, RefinerMapper)
