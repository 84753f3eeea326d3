import torch

from bestie.regions.overlap import pairwise_iou


def test_iou_of_three_masks_by_hand():
    masks = torch.tensor([[[1, 1, 0, 0]], [[0, 1, 1, 0]], [[0, 0, 0, 0]]], dtype=torch.bool)
    expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(pairwise_iou(masks), expected)


def test_no_masks_give_an_empty_table():
    assert pairwise_iou(torch.zeros(0, 3, 4, dtype=torch.bool)).shape == (0, 0)
