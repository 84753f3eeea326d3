"""The mapper of Mask R-CNN: masks follow the image, and instances are needed."""

import pytest
import torch
from detectron2.data import DatasetCatalog

from bestie.data import build_mapper, register_dataset, seeded
from bestie.formats import DataError


def test_instance_mapper_turns_masks_with_the_image(cfg, root):
    name = f"coco:{root}/annotations/instances_train.json:{root}/JPEGImages"
    register_dataset(name)
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.MASK_FORMAT = "InstanceMapper", "bitmask"
    cfg.INPUT.CROP.ENABLED, cfg.INPUT.RANDOM_ROTATE90, cfg.MODEL.MASK_ON = False, True, True
    cfg.INPUT.MIN_SIZE_TRAIN = (40,)
    record = DatasetCatalog.get(name)[0]
    mapper = build_mapper(cfg, True)
    shapes = set()
    for seed in range(8):
        with seeded(seed):
            sample = mapper(record)
        instances = sample["instances"]
        shapes.add(tuple(sample["image"].shape))
        assert instances.gt_masks.tensor.shape[1:] == sample["image"].shape[1:]
        assert instances.gt_masks.tensor.flatten(1).sum(1).tolist() == [100, 144]
        boxes = instances.gt_masks.get_bounding_boxes().tensor
        torch.testing.assert_close(boxes, instances.gt_boxes.tensor)
    assert shapes == {(3, 40, 56), (3, 56, 40)}


def test_instance_mapper_needs_instances(cfg):
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.CROP.ENABLED = "InstanceMapper", False
    with pytest.raises(DataError, match="coco:JSON:IMAGE_DIR"):
        build_mapper(cfg, True)(DatasetCatalog.get(cfg.DATASETS.TRAIN[0])[0])


def test_at_inference_the_size_of_the_project_replaces_that_of_detectron2(cfg):
    record = DatasetCatalog.get(cfg.DATASETS.TRAIN[0])[0]
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.CROP.ENABLED = "InstanceMapper", False
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 60, 1000
    assert build_mapper(cfg, False)(record)["image"].shape == (3, 60, 84)
    cfg.INPUT.TEST_SIZE = 112
    assert build_mapper(cfg, False)(record)["image"].shape == (3, 80, 112)


@pytest.fixture
def labels(cfg, root):
    """Config of the mapper, and the records of the labels: one image whose scores are 0.2, 0.9."""
    name = f"coco:{root}/annotations/instances_train.json:{root}/JPEGImages"
    register_dataset(name)
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.MASK_FORMAT = "InstanceMapper", "bitmask"
    cfg.INPUT.CROP.ENABLED, cfg.MODEL.MASK_ON = False, True
    records = [dict(record) for record in DatasetCatalog.get(name)]
    scores = iter([0.2, 0.9])
    first = [entry | {"score": next(scores)} for entry in records[0]["annotations"]]
    records[0]["annotations"] = first
    return cfg, records


def test_labels_below_the_score_do_not_train(labels):
    cfg, records = labels
    assert build_mapper(cfg, True).samples(records) is records
    cfg.MODEL.MASK_RCNN.LABEL_SCORE_THRESH = 0.9
    kept = build_mapper(cfg, True).samples(records)
    assert [entry["score"] for entry in kept[0]["annotations"]] == [0.9]
    assert len(records[0]["annotations"]) == 2 and len(kept) == len(records)
    cfg.MODEL.MASK_RCNN.LABEL_SCORE_THRESH = 0.95
    kept = build_mapper(cfg, True).samples(records)
    assert records[0]["file_name"] not in [record["file_name"] for record in kept]
    with pytest.raises(ValueError, match="LABEL_SCORE_THRESH 0.95: no label has such a score"):
        build_mapper(cfg, True).samples(records[:1])


def test_weights_are_the_scores_of_the_instances_that_are_left(labels):
    cfg, records = labels
    with seeded(0):
        plain = build_mapper(cfg, True)(records[0])["instances"]
    assert not plain.has("gt_weights")
    cfg.MODEL.MASK_RCNN.WEIGHT_BY_SCORE = True
    with seeded(0):
        weighted = build_mapper(cfg, True)(records[0])["instances"]
    assert weighted.gt_weights.tolist() == pytest.approx([0.2, 0.9])
    assert weighted.gt_classes.tolist() == plain.gt_classes.tolist()
    # An instance that the augmentation leaves empty takes its weight with it.
    gone = records[0]["annotations"][0] | {"bbox": [0, 0, 0, 0]}
    record = records[0] | {"annotations": [gone, records[0]["annotations"][1]]}
    with seeded(0):
        left = build_mapper(cfg, True)(record)["instances"]
    assert left.gt_weights.tolist() == pytest.approx([0.9])
    assert left.gt_classes.tolist() == plain.gt_classes.tolist()[1:]
