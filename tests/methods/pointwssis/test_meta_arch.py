import pytest
import torch
from detectron2.structures import Instances

from bestie.evaluation import build_evaluator
from bestie.methods.pointwssis.config import check_pointwssis_config
from bestie.methods.pointwssis.losses import two_class_dice
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.pointwssis.refiner import MaskRefiner
from bestie.methods.solo.inference import RankSettings
from bestie.methods.solo.meta_arch import SOLO
from bestie.training.setup import build_model, merge_config
from tests.methods.tiny_solo import image_of, objects_of, tiny_solo

POINTS = torch.tensor([[10.0, 12.0], [10.0, 12.5], [20.0, 40.0]])
CLASSES = torch.tensor([0, 1, 1])
BOXES = [(4, 4, 20, 24), (5, 5, 21, 25), (10, 30, 34, 50)]


def prompted(**options):
    # A threshold that every cell's mask passes: each click gets a label.
    settings = RankSettings(strides=(1, 1, 1), mask_thresh=0.3)
    return tiny_solo(PromptedSOLO, inference=settings, **options).eval()


def sample_of(**changes):
    sample = {"image": image_of(0), "height": 80, "width": 112, "points": POINTS}
    return sample | {"point_classes": CLASSES, "instances": objects_of(BOXES, CLASSES)} | changes


def labels_of(model, **changes):
    return model([sample_of(**changes)])[0]["instances"]


def test_every_click_gets_one_label_with_its_class_and_point():
    labels = labels_of(prompted(prompt="points"))
    # The image doubles: the middle of pixel (10, 12) comes to lie at (20.5, 24.5).
    found = {
        (c, *p) for c, p in zip(labels.pred_classes.tolist(), labels.points.tolist(), strict=True)
    }
    assert found == {(0, 20.5, 24.5), (1, 20.5, 25.5), (1, 40.5, 80.5)}
    assert labels.pred_masks.shape == (3, 80, 112)
    assert ((labels.class_scores > 0) & (labels.class_scores < 1)).all()


def test_label_of_a_click_does_not_depend_on_other_clicks():
    model = prompted(prompt="points")
    together = labels_of(model)
    for number in range(3):
        alone = labels_of(model, points=POINTS[number, None], point_classes=CLASSES[number, None])
        place = (together.points == alone.points).all(1).nonzero().item()
        assert torch.equal(together.pred_masks[place], alone.pred_masks[0])


def test_more_clicks_than_detections_are_all_labelled():
    settings = RankSettings(strides=(1, 1, 1), mask_thresh=0.3, max_instances=1, top_k=1)
    model = tiny_solo(PromptedSOLO, inference=settings, prompt="points").eval()
    assert len(labels_of(model)) == 3


def test_no_clicks_no_labels():
    nothing = {"points": POINTS[:0], "point_classes": CLASSES[:0]}
    for prompt in ("points", "filter"):
        assert len(labels_of(prompted(prompt=prompt), **nothing)) == 0
    empty = objects_of([], [])
    assert len(labels_of(prompted(prompt="sizes"), instances=empty)) == 0


@pytest.mark.parametrize("level", ["p2", "p4", "oracle"])
def test_given_level_is_used(level):
    model = prompted(prompt="points", level=level, nms_between="none")
    assert len(labels_of(model)) == 3
    chosen = model._levels(sample_of(), 3).tolist()
    assert chosen == {"p2": [0] * 3, "p4": [2] * 3, "oracle": [1, 1, 1]}[level]


def test_known_objects_give_masks_of_their_classes_at_their_centers():
    labels = labels_of(prompted(prompt="sizes"))
    centers = {(23.5, 27.5), (25.5, 29.5), (43.5, 79.5)}
    assert len(labels) and {tuple(point) for point in labels.points.tolist()} <= centers


def test_without_a_prompt_it_is_a_plain_solo_with_the_same_weights():
    plain = tiny_solo(SOLO, score_thresh=0.05).eval()
    same = tiny_solo(PromptedSOLO, score_thresh=0.05).eval()
    same.load_state_dict(plain.state_dict())
    first, second = (model([sample_of()])[0]["instances"] for model in (plain, same))
    assert torch.equal(first.pred_masks, second.pred_masks) and len(first)


def test_filter_gives_detections_under_clicks_only():
    model = prompted(prompt="filter", score_thresh=0.01)
    detections = tiny_solo(SOLO, score_thresh=0.01, inference=model.rank_settings).eval()(
        [sample_of()]
    )[0]["instances"]
    labels = labels_of(model)
    assert 0 < len(labels) <= 3
    for mask, point in zip(labels.pred_masks, labels.points.round().long(), strict=True):
        assert mask[point[0], point[1]]
        assert any(torch.equal(mask, other) for other in detections.pred_masks)


def test_evaluating_labels_as_detections_is_refused():
    cfg = merge_config("", ["MODEL.META_ARCHITECTURE", "PromptedSOLO"])
    cfg.MODEL.POINTWSSIS.PROMPT = "points"
    with pytest.raises(ValueError, match="MODEL.POINTWSSIS.PROMPT none, got 'points'"):
        build_evaluator(cfg, "unused")


def test_mistakes_in_the_config_are_listed():
    wrong = ["MODEL.POINTWSSIS.PROMPT", "clicks", "MODEL.POINTWSSIS.LEVEL", "p7"]
    wrong += ["MODEL.REFINER.INPUTS", "['depth']", "MODEL.REFINER.CROP_SCALE", "0.5"]
    problems = check_pointwssis_config(merge_config("", wrong))
    assert len(problems) == 4
    for text in ("got 'clicks'", "got 'p7'", "['depth']", "got 0.5"):
        assert any(text in problem for problem in problems), text


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
    instances.pred_masks = objects.gt_masks.tensor
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
    expected = torch.zeros(40, 56, dtype=torch.bool)
    expected[0:28, 0:34] = True
    inside = found.pred_masks[0] & ~expected
    assert found.pred_masks[0].any() and not inside.any()


def test_empty_answers_and_small_masks_keep_the_rough_mask():
    model = refiner(min_area=400).eval()
    torch.nn.init.zeros_(model.network.weight)
    model.network.bias.data = torch.tensor([0.0, 1.0])
    given = rough_instances()
    found = model([{"image": image_of(0), "instances": given}])[0]["instances"]
    assert found.refined.tolist() == [False, False, True]
    model.network.bias.data = torch.tensor([1.0, 0.0])
    found = model([{"image": image_of(0), "instances": given}])[0]["instances"]
    assert not found.refined.any() and torch.equal(found.pred_masks, given.pred_masks)
    nothing = rough_instances([], [])
    assert len(model([{"image": image_of(0), "instances": nothing}])[0]["instances"]) == 0


def test_batches_do_not_change_the_result():
    given = {"image": image_of(0), "instances": rough_instances()}
    one = refiner(batch_size=1).eval()([given])[0]["instances"]
    all_at_once = refiner(batch_size=16).eval()([given])[0]["instances"]
    assert torch.equal(one.pred_masks, all_at_once.pred_masks)


@pytest.mark.parametrize("inputs, channels", [("['image']", 3), ("['mask', 'point']", 8)])
def test_config_builds_it_with_the_inputs_that_it_names(inputs, channels):
    cfg = merge_config(
        "configs/quick/shapes_refiner.yaml",
        ["MODEL.REFINER.NUM_CLASSES", "6", "MODEL.REFINER.INPUTS", inputs],
    )
    model = build_model(cfg)
    assert next(model.network.encoder.parameters()).shape[1] == channels


def test_dice_by_hand():
    target = torch.tensor([[[True, False]]])
    logits = torch.tensor([[[[-99.0, 99.0]], [[99.0, -99.0]]]])
    assert two_class_dice(logits, target).item() == pytest.approx(0, abs=1e-6)
    assert two_class_dice(-logits, target).item() == pytest.approx(1)
    # Probability 1/2 everywhere: 2 * 0.5 / (1 + 1) for both classes.
    assert two_class_dice(torch.zeros(1, 2, 1, 2), target).item() == pytest.approx(0.5)
    assert two_class_dice(torch.zeros(0, 2, 1, 2), target[:0]).item() == 0
