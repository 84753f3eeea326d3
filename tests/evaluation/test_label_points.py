import torch
from detectron2.structures import Instances

from bestie.evaluation.coco_export import label_annotations
from bestie.evaluation.masks import LabelledMasks


def labels_with_points():
    instances = Instances((4, 6))
    instances.pred_masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    instances.pred_masks[0, :2], instances.pred_masks[1, 2:] = True, True
    instances.pred_classes, instances.scores = torch.tensor([0, 1]), torch.tensor([0.9, 0.5])
    instances.points = torch.tensor([[0.5, 2.0], [3.0, 4.25]], dtype=torch.float64)
    instances.class_scores = torch.tensor([0.25, 0.75])
    return instances


def test_labels_of_clicks_keep_point_and_both_scores():
    first, second = label_annotations(LabelledMasks.from_instances(labels_with_points()))
    assert first["point"] == [2.0, 0.5] and first["class_score"] == 0.25 and first["score"] == 0.9
    assert second["point"] == [4.25, 3.0] and second["class_score"] == 0.75


def test_selected_labels_keep_their_own_points():
    instances = labels_with_points()
    kept = torch.tensor([False, True])
    (label,) = label_annotations(LabelledMasks.from_instances(instances, kept))
    assert label["point"] == [4.25, 3.0]
    labels = LabelledMasks.from_instances(instances).select(kept.numpy())
    assert label_annotations(labels) == [label]


def test_other_labels_have_neither():
    instances = labels_with_points()
    instances.remove("points")
    instances.remove("class_scores")
    (label, _) = label_annotations(LabelledMasks.from_instances(instances))
    assert "point" not in label and "class_score" not in label


def test_a_label_of_several_clicks_has_their_number():
    instances = labels_with_points()
    instances.clicks = torch.tensor([1, 3])
    first, second = label_annotations(LabelledMasks.from_instances(instances))
    assert "clicks" not in first and second["clicks"] == 3
