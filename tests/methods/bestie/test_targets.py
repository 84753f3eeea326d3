import numpy as np
import pytest
import torch

from bestie.methods.bestie import reference
from bestie.methods.bestie.grouping import group_pixels
from tests.methods.bestie.tiny_targets import heatmap_of, point_set, targets_of


def test_gaussian_by_hand_cut_to_three_sigma_plus_one():
    plane = heatmap_of(point_set([[5, 6]]), (1, 1, 12, 13)).dense()[0, 0]
    assert plane[5, 6] == 1
    assert plane[4, 8] == pytest.approx(np.exp(-(1 + 4) / 2))
    assert plane[5, 10] > 0 and plane[5, 11] == 0 and plane[5, 1] == 0


def test_overlapping_gaussians_take_the_maximum_in_their_own_class_plane():
    points = point_set([[2, 2], [2, 4], [0, 0]], classes=[0, 0, 1])
    heatmap = heatmap_of(points, (1, 2, 5, 7)).dense()
    assert heatmap[0, 0, 2, 3] == pytest.approx(np.exp(-0.5))
    assert heatmap[0, 0, 0, 0] < 0.05 and heatmap[0, 1, 0, 0] == 1


def test_centers_outside_the_image_or_not_valid_draw_nothing():
    outside = point_set([[-1, 2], [5, 2], [2, 7]])
    assert not heatmap_of(outside, (1, 1, 5, 7)).dense().any()
    assert not heatmap_of(point_set([[2, 2]]), (1, 1, 5, 7), valid=[False]).dense().any()
    assert not heatmap_of(point_set([]), (2, 3, 5, 7)).dense().any()


BATCH = point_set(
    [[2, 3], [2, 5], [0, 0], [4, 6], [9, 9]], classes=[2, 2, 0, 2, 1], images=[0, 0, 1, 1, 1]
)


def test_the_dense_heatmap_equals_the_naive_one():
    shape, valid = (2, 3, 5, 7), [True, True, False, True, True]
    heatmap = heatmap_of(BATCH, shape, valid=valid).dense()
    expected = reference.draw_heatmap(
        BATCH.images.numpy(), BATCH.classes.numpy(), BATCH.yx.numpy(), valid, shape, 1.0
    )
    np.testing.assert_allclose(heatmap.numpy(), expected, rtol=0, atol=1e-6)
    assert heatmap.any()


@pytest.mark.parametrize("pixels", [[], [0], [9, 10, 11, 33], list(range(70))])
@pytest.mark.parametrize("tags", [[[0, 1, 2], [0, 1, 2]], [[2, 3], [0, 2]]])
def test_heatmap_at_pixels_equals_the_dense_one(pixels, tags):
    heatmap = heatmap_of(BATCH, (2, 3, 5, 7), valid=[True] * 4 + [False], tags=tags)
    pixels = torch.tensor(pixels, dtype=torch.int64)
    values, channels = heatmap.at(pixels)
    expected = heatmap.dense().permute(0, 2, 3, 1).reshape(-1, 3)[pixels]
    assert torch.equal(torch.zeros(len(pixels), 3).scatter_add_(1, channels, values), expected)


def test_offsets_point_from_pixel_to_center_and_untrusted_instances_leave_no_trace():
    targets = targets_of(
        torch.tensor([[[0, 0, -1, 1]]]),
        torch.tensor([[2, 1], [0, 0]]),
        torch.tensor([0.5, 0.0]),
        heatmap_of(point_set([]), (1, 1, 1, 4)),
    )
    assert targets.offset[0, 0].tolist() == [[2, 2, 0, 0]]
    assert targets.offset[0, 1].tolist() == [[1, 0, 0, 0]]
    assert targets.weight[0, 0].tolist() == [[0.5, 0.5, 0, 0]]
    assert targets.instances[0].tolist() == [[0, 0, -1, -1]]
    assert targets.weight_at_pixels().tolist() == [[0.5], [0.5], [0]]
    assert targets.offset_at_pixels()[:2].tolist() == [[2, 1], [2, 0]]
    assert targets.number() == 1


def test_targets_group_back_to_the_same_instances():
    """Two touching discs of one class, and one of another: targets as outputs give the discs."""
    yy, xx = np.mgrid[:60, :90]
    discs = [((30, 20), 15, 0), ((30, 50), 15, 0), ((20, 78), 10, 1)]
    instances = np.full((60, 90), -1)
    for index, ((y, x), radius, _) in enumerate(discs):
        instances[(yy - y) ** 2 + (xx - x) ** 2 <= radius**2] = index
    points = point_set([disc[0] for disc in discs], classes=[disc[2] for disc in discs])
    targets = targets_of(
        torch.from_numpy(instances).unsqueeze(0),
        points.yx,
        torch.ones(3),
        heatmap_of(points, (1, 2, 60, 90), 4.0),
    )
    class_map = np.concatenate([points.classes.numpy() + 1, [0]])[instances]
    probability = torch.nn.functional.one_hot(torch.from_numpy(class_map), 3).permute(2, 0, 1)
    found = group_pixels(probability.float(), targets.center[0], targets.offset[0], kernel=11)
    assert sorted(found.classes.tolist()) == [0, 0, 1]
    np.testing.assert_allclose(found.scores.numpy(), 1)
    for index in range(3):
        number = found.instance_map[instances == index].unique()
        assert len(number) == 1
        np.testing.assert_array_equal(found.instance_map.numpy() == int(number), instances == index)
