import pytest
import torch

from bestie.evaluation import build_evaluator
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.solo.inference import RankSettings
from bestie.methods.solo.meta_arch import SOLO
from bestie.training.setup import merge_config
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
    assert len(labels.pred_masks) == 3 and labels.pred_masks.size == (80, 112)
    assert ((labels.class_scores > 0) & (labels.class_scores < 1)).all()


def test_label_of_a_click_does_not_depend_on_other_clicks():
    model = prompted(prompt="points")
    together = labels_of(model)
    for number in range(3):
        alone = labels_of(model, points=POINTS[number, None], point_classes=CLASSES[number, None])
        place = (together.points == alone.points).all(1).nonzero().item()
        assert together.pred_masks.rles[place] == alone.pred_masks.rles[0]


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
    assert first.pred_masks.rles == second.pred_masks.rles and len(first)


def test_filter_gives_detections_under_clicks_only():
    model = prompted(prompt="filter", score_thresh=0.01)
    detections = tiny_solo(SOLO, score_thresh=0.01, inference=model.rank_settings).eval()(
        [sample_of()]
    )[0]["instances"]
    labels = labels_of(model)
    assert 0 < len(labels) <= 3
    points = labels.points.round().long().tolist()
    for mask, code, point in zip(labels.pred_masks, labels.pred_masks.rles, points, strict=True):
        assert mask[tuple(point)]
        assert code in detections.pred_masks.rles


def test_evaluating_labels_as_detections_is_refused():
    cfg = merge_config("", ["MODEL.META_ARCHITECTURE", "PromptedSOLO"])
    cfg.MODEL.POINTWSSIS.PROMPT = "points"
    with pytest.raises(ValueError, match="MODEL.POINTWSSIS.PROMPT none, got 'points'"):
        build_evaluator(cfg, "unused")


def test_suppression_between_cells_classes_or_not_at_all():
    """Two clicks in one cell: one label; overlapping masks of a class: one with "class"."""
    same = {
        "points": torch.tensor([[10.0, 12.0], [10.5, 12.5], [20.0, 40.0]]),
        "point_classes": torch.tensor([1, 1, 1]),
    }
    numbers = {
        between: len(labels_of(prompted(prompt="points", level="p2", nms_between=between), **same))
        for between in ("none", "cell", "class")
    }
    assert numbers["none"] == 3 and numbers["cell"] == 2 and numbers["class"] <= 2
    everything = {"points": torch.rand(40, 2) * 39, "point_classes": torch.ones(40).long()}
    settings = RankSettings(strides=(1, 1, 1), mask_thresh=0.3, nms_iou=0.0)
    few = tiny_solo(PromptedSOLO, inference=settings, prompt="points", nms_between="class").eval()
    many = tiny_solo(PromptedSOLO, inference=settings, prompt="points", nms_between="cell").eval()
    assert len(labels_of(few, **everything)) < len(labels_of(many, **everything))


def test_level_changes_the_masks():
    chosen = {
        level: labels_of(prompted(prompt="points", level=level)).pred_masks.rles
        for level in ("p2", "p4")
    }
    assert chosen["p2"] != chosen["p4"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"prompt": "clicks"}, "PROMPT must be one of none, points, sizes, filter, got 'clicks'"),
        ({"level": "p9"}, "LEVEL must be one of selected, oracle, p2, p3, p4, got 'p9'"),
        ({"nms_between": "image"}, "NMS_BETWEEN must be one of cell, class, none, got 'image'"),
    ],
)
def test_unknown_switches_are_refused(option, message):
    with pytest.raises(ValueError, match=f"MODEL.POINTWSSIS.{message}"):
        prompted(**option)
