import pytest
import torch
from detectron2.structures import BitMasks, PolygonMasks

from bestie.backbones.weights import check_incompatible
from bestie.methods.solo.config import check_solo_config
from bestie.methods.solo.heads import initialize
from bestie.methods.solo.meta_arch import SOLO
from bestie.training.config_check import check_config
from bestie.training.setup import build_model, merge_config
from tests.methods.tiny_solo import CLASSES, image_of, objects_of, tiny_solo

BOXES, KINDS = [(4, 4, 20, 24), (10, 30, 34, 50)], [0, 1]


def batch(*objects):
    return [{"image": image_of(i), "instances": these} for i, these in enumerate(objects)]


def test_losses_reach_every_parameter():
    model = tiny_solo(SOLO).train()
    losses = model(batch(objects_of(BOXES, KINDS), objects_of(BOXES[:1], [1])))
    assert set(losses) == {"loss_mask", "loss_class"}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_batch_without_objects_has_no_mask_loss_but_all_gradients():
    nothing = objects_of([], [])
    nothing.remove("gt_masks")  # as Detectron2's mapper leaves them out
    model = tiny_solo(SOLO).train()
    losses = model(batch(nothing, objects_of([], [])))
    assert losses["loss_mask"].item() == 0 and losses["loss_class"].item() > 0
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_object_cropped_away_trains_nothing():
    objects = objects_of(BOXES, KINDS)
    objects.gt_masks = BitMasks(torch.zeros_like(objects.gt_masks.tensor))
    targets = tiny_solo(SOLO).targets([objects], (48, 64))
    assert len(targets.pair_cells) == 0 and (targets.cell_classes == CLASSES).all()


def test_targets_of_a_batch_equal_those_of_its_images():
    model = tiny_solo(SOLO)
    objects = [objects_of(BOXES, KINDS), objects_of(BOXES[1:], [0])]
    together = model.targets(objects, (48, 64))
    alone = [model.targets([these], (48, 64)) for these in objects]
    assert torch.equal(together.cell_classes, torch.cat([each.cell_classes for each in alone]))
    for image, each in enumerate(alone):
        mine = together.pair_images == image
        assert torch.equal(together.pair_cells[mine], each.pair_cells)
        assert torch.equal(together.pair_masks[mine], each.pair_masks)


@pytest.mark.parametrize("gone", ["polygons", "none"])
def test_other_masks_are_refused_with_the_key(gone):
    objects = objects_of(BOXES, KINDS)
    objects.remove("gt_masks")
    if gone == "polygons":
        objects.gt_masks = PolygonMasks([[[0, 0, 0, 9, 9, 9]]] * 2)
    with pytest.raises(ValueError, match="MASK_FORMAT" if gone == "polygons" else "MASK_ON"):
        tiny_solo(SOLO).train()(batch(objects))


def test_instances_come_at_the_output_size_best_first():
    model = tiny_solo(SOLO, score_thresh=0.01).eval()
    sample = {"image": image_of(0), "height": 80, "width": 100}
    found = model([sample, {"image": image_of(1)}])
    for output, size in zip(found, [(80, 100), (40, 56)], strict=True):
        instances = output["instances"]
        assert len(instances) and instances.pred_masks.size == size
        assert (instances.pred_masks.areas() > 0).all()
        assert (instances.scores.diff() <= 0).all()
        assert set(instances.pred_classes.tolist()) <= {0, 1}


def test_image_does_not_depend_on_its_batch():
    model = tiny_solo(SOLO, score_thresh=0.01).eval()
    samples = [{"image": image_of(i)} for i in range(2)]
    for sample, output in zip(samples, model(samples), strict=True):
        alone = model([sample])[0]["instances"]
        torch.testing.assert_close(alone.scores, output["instances"].scores)


def test_nothing_above_the_threshold_gives_no_instances():
    model = tiny_solo(SOLO, score_thresh=0.999).eval()
    assert len(model([{"image": image_of(0)}])[0]["instances"]) == 0


def test_few_steps_on_one_image_lower_the_losses():
    model = tiny_solo(SOLO).train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    totals = []
    for _ in range(25):
        loss = sum(model(batch(objects_of(BOXES, KINDS))).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert totals[-1] < 0.7 * totals[0]


def test_config_builds_it_and_mistakes_are_listed():
    cfg = merge_config("configs/quick/shapes_solo.yaml", ["MODEL.SOLO.NUM_CLASSES", "6"])
    model = build_model(cfg)
    assert isinstance(model, SOLO) and model.grids == (20, 14, 10, 6)
    check_config(cfg)
    wrong = ["MODEL.SOLO.GRIDS", "[20, 14]", "MODEL.SOLO.CHANNELS", "65"]
    wrong += ["INPUT.MASK_FORMAT", "polygon", "MODEL.SOLO.TEST.NMS_IOU", "1.5"]
    wrong += ["MODEL.SOLO.TEST.NMS_KERNEL", "cosine"]
    cfg = merge_config("configs/quick/shapes_solo.yaml", wrong)
    problems = check_solo_config(cfg)
    assert len(problems) == 5
    for key in (
        "TEST.NMS_KERNEL",
        "GRIDS 2",
        "CHANNELS must be a multiple",
        "INPUT.MASK_FORMAT",
        "TEST.NMS_IOU",
    ):
        assert any(key in problem for problem in problems), key


def test_missing_level_and_unknown_initialization_are_refused():
    cfg = merge_config(
        "configs/quick/shapes_solo.yaml",
        ["MODEL.SOLO.NUM_CLASSES", "6", "MODEL.SOLO.IN_FEATURES", "['p2', 'p3', 'p4', 'p7']"],
    )
    with pytest.raises(ValueError, match="MODEL.SOLO.IN_FEATURES: the backbone has no p7"):
        build_model(cfg)
    with pytest.raises(ValueError, match="normal, kaiming, got 'zeros'"):
        initialize(torch.nn.Conv2d(1, 1, 1), "zeros")


def test_imagenet_weights_of_the_backbone_alone_are_a_start():
    model = tiny_solo(SOLO)
    names = [name for name in model.state_dict() if not name.startswith("backbone.")]
    options = {"unexpected": [], "mismatched": [], "source": "R-101.pkl"}
    check_incompatible(model, missing=names, allow_backbone_only=True, **options)
    with pytest.raises(ValueError, match="does not fit the model"):
        check_incompatible(model, missing=names[1:], allow_backbone_only=True, **options)


@torch.no_grad()
def test_resnet_pyramid_of_detectron2_fits():
    overrides = ["MODEL.DEVICE", "cpu", "MODEL.RESNETS.DEPTH", "50", "MODEL.SOLO.NUM_CLASSES", "3"]
    cfg = merge_config("configs/Base-SOLO.yaml", [*overrides, "MODEL.SOLO.CHANNELS", "32"])
    assert check_solo_config(cfg) == []
    model = build_model(cfg).eval()
    class_logits, kernels, features = model._predict(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape) for level in class_logits] == [
        (1, 3, side, side) for side in (40, 36, 24, 16, 12)
    ]
    assert kernels.shape == (1, 40**2 + 36**2 + 24**2 + 16**2 + 12**2, 256)
    assert features.shape == (1, 256, 16, 24)
