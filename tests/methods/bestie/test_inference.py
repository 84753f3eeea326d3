"""Averaging with the mirror image, and grouped instances in Detectron2's form."""

import torch

from bestie.methods.bestie.grouping import GroupedInstances
from bestie.methods.bestie.inference import average_with_mirrored, to_instances


def test_the_mirror_image_is_mirrored_back():
    maps, mirrored = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[5.0, 7.0]]]])
    average_with_mirrored(maps, mirrored)
    assert maps.tolist() == [[[[4.0, 4.0]]]]


def test_more_rows_than_one_block():
    maps = torch.rand(1, 2, 70, 5)
    expected = maps.clone()
    average_with_mirrored(maps, maps.flip(3).clone())
    assert torch.equal(maps, expected)


def grouped(instance_map, classes):
    return GroupedInstances(
        instance_map=torch.tensor(instance_map),
        classes=torch.tensor(classes),
        scores=torch.linspace(0.5, 1, len(classes)),
    )


def test_masks_and_boxes_of_the_photo():
    found = grouped([[1, 0], [0, 2]], [3, 1])
    same = to_instances(found)
    assert same.image_size == (2, 2) and same.pred_classes.tolist() == [3, 1]
    assert same.pred_boxes.tensor.tolist() == [[0, 0, 1, 1], [1, 1, 2, 2]]
    larger = to_instances(found, (4, 6))
    assert larger.image_size == (4, 6)
    assert larger.pred_boxes.tensor.tolist() == [[0, 0, 3, 2], [3, 2, 6, 4]]


def test_an_instance_without_a_pixel_is_left_out():
    found = grouped([[1, 1], [1, 1]], [0, 1])
    assert to_instances(found).pred_classes.tolist() == [0]
