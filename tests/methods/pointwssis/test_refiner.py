import pytest
import torch
from detectron2.structures import Instances

from bestie.formats import RLEMasks, encode_mask
from bestie.methods.pointwssis.refiner import MaskRefiner
from bestie.training.setup import build_model, merge_config
from tests.methods.tiny_solo import image_of, objects_of

POINTS = torch.tensor([[10.0, 12.0], [10.0, 12.5], [20.0, 40.0]])
BOXES = [(4, 4, 20, 24), (5, 5, 21, 25), (10, 30, 34, 50)]


def refiner(**options):
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3 + 3 + 1, 2, 1)
    return MaskRefiner(
        network=network,
        num_classes=2,
        pixel_mean=[100.0] * 3,
        pixel_std=[50.0] * 3,
        size=16,
        sigma=2.0,
        **options,
    )


def rough_instances(boxes=BOXES, classes=(0, 1, 1)):
    objects = objects_of(boxes, list(classes))
    instances = Instances((40, 56))
    codes = [encode_mask(mask) for mask in objects.gt_masks.tensor.numpy()]
    instances.pred_masks = RLEMasks(codes, (40, 56))
    instances.pred_classes = objects.gt_classes
    instances.points = POINTS[: len(boxes)].double()
    instances.scores = torch.linspace(0.9, 0.5, len(boxes))
    return instances


def test_class_zero_trains_through_its_own_plane():
    model = refiner().train()
    sample = {
        "crop": torch.full((3, 16, 16), 100.0),
        "rough": torch.zeros(16, 16, dtype=torch.bool),
        "target": torch.ones(16, 16, dtype=torch.bool),
        "point": torch.tensor([8, 8]),
        "point_class": torch.tensor(0),
    }
    model([sample])["loss_dice"].backward()
    of_planes = model.network.weight.grad[:, 3:6].abs().sum(dim=(0, 2, 3))
    assert of_planes[1] > 0 and of_planes[0] == 0 and of_planes[2] == 0


def test_refined_masks_stay_in_their_crops_and_other_fields_as_they_are():
    given = rough_instances()
    model = refiner().eval()
    torch.nn.init.zeros_(model.network.weight)
    model.network.bias.data = torch.tensor([0.0, 1.0])  # everything is foreground
    found = model([{"image": image_of(0), "instances": given}])[0]["instances"]
    assert found.refined.all()
    assert torch.equal(found.scores, given.scores) and torch.equal(found.points, given.points)
    # Twice the box of rows 4..19 and columns 4..23, cut to the image.
    mask = next(iter(found.pred_masks))
    assert mask[:27, :33].any() and not mask[27:].any() and not mask[:, 33:].any()
    torch.testing.assert_close(found.pred_boxes.tensor[0], torch.tensor([0.0, 0, 33, 27]))


def test_empty_answers_and_small_masks_keep_the_rough_mask():
    model = refiner(min_area=400).eval()
    torch.nn.init.zeros_(model.network.weight)
    model.network.bias.data = torch.tensor([0.0, 1.0])
    given = rough_instances()
    found = model([{"image": image_of(0), "instances": given}])[0]["instances"]
    assert found.refined.tolist() == [False, False, True]
    model.network.bias.data = torch.tensor([1.0, 0.0])
    found = model([{"image": image_of(0), "instances": given}])[0]["instances"]
    assert not found.refined.any() and found.pred_masks.rles == given.pred_masks.rles
    nothing = rough_instances([], [])
    assert len(model([{"image": image_of(0), "instances": nothing}])[0]["instances"]) == 0


def test_batches_do_not_change_the_result():
    given = {"image": image_of(0), "instances": rough_instances()}
    one = refiner(batch_size=1).eval()([given])[0]["instances"]
    all_at_once = refiner(batch_size=16).eval()([given])[0]["instances"]
    assert one.pred_masks.rles == all_at_once.pred_masks.rles


@pytest.mark.parametrize("inputs, channels", [("['image']", 3), ("['mask', 'point']", 8)])
def test_config_builds_it_with_the_inputs_that_it_names(inputs, channels):
    cfg = merge_config(
        "configs/quick/shapes_refiner.yaml",
        ["MODEL.REFINER.NUM_CLASSES", "6", "MODEL.REFINER.INPUTS", inputs],
    )
    model = build_model(cfg)
    assert next(model.network.encoder.parameters()).shape[1] == channels


def test_masks_and_points_of_a_photo_are_brought_to_the_networks_image():
    """The photo is twice as large as the image: the same crops, the masks at twice the size."""
    model = refiner().eval()
    small = rough_instances()
    large = Instances((80, 112))
    codes = [encode_mask(mask.repeat(2, 0).repeat(2, 1)) for mask in small.pred_masks]
    large.pred_masks = RLEMasks(codes, (80, 112))
    large.pred_classes, large.points = small.pred_classes, (small.points + 0.5) * 2 - 0.5
    one, other = (
        model([{"image": image_of(0), "instances": given}])[0]["instances"]
        for given in (small, large)
    )
    assert torch.equal(one.refined, other.refined) and one.refined.any()
    assert other.pred_masks.size == (80, 112)
    for mask, doubled in zip(one.pred_masks, other.pred_masks, strict=True):
        overlap = (mask.repeat(2, 0).repeat(2, 1) & doubled).sum()
        assert overlap > 0.9 * max(4 * mask.sum(), doubled.sum())


@pytest.mark.parametrize("name", ["image", "mask", "point"])
def test_an_input_that_is_left_out_is_not_seen(name):
    """Ablation of the inputs: changing what the network does not see changes nothing."""
    rest = [other for other in ("image", "mask", "point") if other != name]
    channels = {"image": 3, "mask": 1, "point": 3}
    torch.manual_seed(0)
    model = refiner(inputs=rest).eval()
    model.network = torch.nn.Conv2d(sum(channels[other] for other in rest), 2, 1)
    crops = torch.rand(2, 3, 16, 16)
    rough = torch.rand(2, 16, 16) > 0.5
    points, classes = torch.tensor([[3, 4], [9, 9]]), torch.tensor([0, 1])
    first = model._predict(crops, rough, points, classes)
    changed = {
        "image": (crops + 1, rough, points, classes),
        "mask": (crops, ~rough, points, classes),
        "point": (crops, rough, points + 5, classes.flip(0)),
    }
    assert torch.equal(model._predict(*changed[name]), first)
    for other in rest:
        assert not torch.equal(model._predict(*changed[other]), first)
