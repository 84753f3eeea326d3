"""Mask R-CNN with masks as run-length codes: the masks are Detectron2's."""

import copy

import numpy as np
import pytest
import torch
from detectron2.modeling import GeneralizedRCNN
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from PIL import Image

from bestie.data import build_mapper
from bestie.formats import encode_mask
from bestie.methods.mask_rcnn.rcnn import CodedMasksRCNN, _postprocess
from bestie.training.setup import build_model, merge_config
from tests.training.test_export import MASK_RCNN


def raw_instances(number: int, side: int = 28) -> Instances:
    """What the heads give for an image of 60 x 80: boxes over its border and empty ones too."""
    generator = torch.Generator().manual_seed(number)
    corners = torch.rand((number, 4), generator=generator) * torch.tensor([80, 60, 80, 60.0])
    corners = torch.cat([corners[:, :2] - 5, corners[:, :2] + corners[:, 2:] * 0.6], 1)
    corners[::7, 2] = corners[::7, 0]
    instances = Instances((60, 80))
    instances.pred_boxes = Boxes(corners)
    instances.scores = torch.rand(number, generator=generator)
    instances.pred_classes = torch.arange(number) % 3
    instances.pred_masks = torch.rand((number, 1, side, side), generator=generator)
    return instances


@pytest.mark.parametrize("size", [(60, 80), (123, 161), (30, 41)])
@pytest.mark.parametrize("number", [0, 20])
def test_masks_boxes_and_scores_are_those_of_detectron2(size, number):
    raw = raw_instances(number)
    expected = detector_postprocess(copy.deepcopy(raw), *size)
    found = _postprocess(raw, size)
    assert found.image_size == size and len(found) == len(expected) < max(number, 1)
    assert set(found.get_fields()) == set(expected.get_fields())
    assert torch.equal(found.pred_boxes.tensor, expected.pred_boxes.tensor)
    assert torch.equal(found.scores, expected.scores)
    assert found.pred_masks.rles == [encode_mask(mask.numpy()) for mask in expected.pred_masks]


def tiny_config(*options: str):
    cfg = merge_config("", [])
    cfg.merge_from_other_cfg(cfg.load_cfg(MASK_RCNN))
    cfg.merge_from_list(
        ["MODEL.ROI_HEADS.NUM_CLASSES", 2, "TEST.DETECTIONS_PER_IMAGE", 9, *options]
    )
    return cfg


def test_configs_say_generalized_rcnn_and_weights_have_its_names():
    model = build_model(tiny_config())
    assert isinstance(model, CodedMasksRCNN) and isinstance(model, GeneralizedRCNN)
    sample = {"image": torch.zeros(3, 64, 80, dtype=torch.uint8), "height": 640, "width": 800}
    model.eval()
    with torch.no_grad():
        (output,) = model([sample])
        (raw,) = model.inference([sample], do_postprocess=False)
    assert output["instances"].image_size == output["instances"].pred_masks.size == (640, 800)
    assert raw.pred_masks.shape[1:] == (1, 28, 28)


def test_photos_of_any_size_are_the_same_size_to_mask_rcnn(tmp_path):
    cfg = tiny_config("INPUT.MIN_SIZE_TEST", 144, "INPUT.MAX_SIZE_TEST", 224)
    shapes = set()
    for longer in (100, 500, 4032):
        photo = np.zeros((longer * 3 // 4, longer, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / "photo.png")
        record = {"file_name": str(tmp_path / "photo.png"), "image_id": 1}
        record |= {"height": photo.shape[0], "width": photo.shape[1]}
        shapes.add(tuple(build_mapper(cfg, is_train=False)(record)["image"].shape))
    assert shapes == {(3, 144, 192)}
