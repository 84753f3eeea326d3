"""Losses weighted by score: with weights of 1 they are Detectron2's; they are linear in them."""

import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage

from bestie.methods.mask_rcnn.weighted import WeightedROIHeads, weighted_heads
from bestie.training.setup import build_model, merge_config

SIDE = 96


def model_of(weighted):
    options = ["MODEL.DEVICE", "cpu", "MODEL.ROI_HEADS.NUM_CLASSES", "2"]
    options += ["MODEL.MASK_RCNN.WEIGHT_BY_SCORE", str(weighted)]
    torch.manual_seed(0)
    return build_model(merge_config("configs/pipeline/quick/maskrcnn.yaml", options))


def sample(weight=None, objects=((8, 8, 60, 60, 0), (30, 40, 90, 90, 1))):
    image = torch.randint(0, 256, (3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    instances = Instances((SIDE, SIDE))
    masks = torch.zeros(len(objects), SIDE, SIDE, dtype=torch.bool)
    for mask, (x0, y0, x1, y1, _) in zip(masks, objects, strict=True):
        mask[y0:y1, x0:x1] = True
    boxes = torch.tensor([box[:4] for box in objects], dtype=torch.float32)
    instances.gt_boxes = Boxes(boxes.view(len(objects), 4))
    instances.gt_classes = torch.tensor([box[4] for box in objects], dtype=torch.int64)
    instances.gt_masks = BitMasks(masks)
    if weight is not None:
        instances.gt_weights = torch.full((len(objects),), weight)
    return {"image": image.to(torch.uint8), "instances": instances}


def losses(model, *samples):
    torch.manual_seed(5)  # of the regions that are drawn
    with EventStorage():
        return {name: loss.item() for name, loss in model.train()(list(samples)).items()}


@pytest.fixture(scope="module")
def weighted():
    return model_of(True)


def test_weights_of_one_give_the_losses_of_detectron2(weighted):
    plain = model_of(False)
    plain.load_state_dict(weighted.state_dict())
    assert isinstance(weighted.roi_heads, WeightedROIHeads)
    expected = losses(plain, sample())
    assert losses(weighted, sample(1.0)) == pytest.approx(expected, rel=1e-5)
    assert losses(weighted, sample()) == pytest.approx(expected, rel=1e-5)


def test_boxes_and_masks_of_half_the_score_count_half(weighted):
    whole, half = losses(weighted, sample(1.0)), losses(weighted, sample(0.5))
    for name in ("loss_box_reg", "loss_mask"):
        assert half[name] == pytest.approx(whole[name] / 2, rel=1e-5)
    none = losses(weighted, sample(0.0))
    # What is left of the class loss is that of the background.
    assert half["loss_cls"] == pytest.approx((whole["loss_cls"] + none["loss_cls"]) / 2, rel=1e-5)
    assert none["loss_box_reg"] == none["loss_mask"] == 0 and none["loss_cls"] > 0


def test_images_without_labels_are_background(weighted):
    alone = losses(weighted, sample(objects=()))
    assert alone["loss_mask"] == alone["loss_box_reg"] == 0 and alone["loss_cls"] > 0
    both = losses(weighted, sample(0.5), sample(objects=()))
    assert all(value == value for value in both.values())


def test_the_switch_chooses_the_heads():
    cfg = merge_config("configs/pipeline/quick/maskrcnn.yaml", [])
    assert weighted_heads(cfg) is cfg
