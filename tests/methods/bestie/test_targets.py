import numpy as np
import pytest
import torch

from bestie.methods.bestie.centers import sort_centers
from bestie.methods.bestie.grouping import assign_pixels, group_pixels, group_pixels_by_points
from bestie.methods.bestie.refinement import refine_labels_with_points
from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets


def heatmap_of(centers, shape, sigma=1.0, classes=None, valid=None):
    centers = torch.tensor(centers, dtype=torch.int64).view(-1, 2)
    images = torch.zeros(len(centers), dtype=torch.int64)
    classes = images if classes is None else torch.tensor(classes)
    valid = torch.ones_like(images).bool() if valid is None else valid
    return CenterHeatmap(images, classes, centers, shape, sigma, valid, all_classes(shape))


def all_classes(shape):
    return torch.arange(shape[1]).expand(shape[0], -1)


def targets_of(instances, centers, confidence, heatmap):
    pixels = (instances >= 0).view(-1).nonzero().squeeze(1)
    return InstanceTargets(instances, centers, confidence, heatmap, pixels)


def test_gaussian_by_hand_cut_to_three_sigma_plus_one():
    plane = heatmap_of([[5, 6]], (1, 1, 12, 13)).dense()[0, 0]
    assert plane[5, 6] == 1
    assert plane[4, 8] == pytest.approx(np.exp(-(1 + 4) / 2))
    assert plane[5, 10] > 0 and plane[5, 11] == 0 and plane[5, 1] == 0


def test_overlapping_gaussians_take_the_maximum_in_their_own_class_plane():
    heatmap = heatmap_of([[2, 2], [2, 4], [0, 0]], (1, 2, 5, 7), classes=[0, 0, 1]).dense()
    assert heatmap[0, 0, 2, 3] == pytest.approx(np.exp(-0.5))
    assert heatmap[0, 0, 0, 0] < 0.05 and heatmap[0, 1, 0, 0] == 1


def test_centers_outside_the_image_or_not_valid_draw_nothing():
    assert not heatmap_of([[-1, 2], [5, 2], [2, 7]], (1, 1, 5, 7)).dense().any()
    assert not heatmap_of([[2, 2]], (1, 1, 5, 7), valid=torch.tensor([False])).dense().any()
    assert not heatmap_of([], (2, 3, 5, 7)).dense().any()


@pytest.mark.parametrize("pixels", [[], [0], [9, 10, 11, 33], list(range(70))])
@pytest.mark.parametrize("tags", [[[0, 1, 2], [0, 1, 2]], [[2, 3], [0, 2]]])
def test_heatmap_at_pixels_equals_the_dense_one(pixels, tags):
    centers = torch.tensor([[2, 3], [2, 5], [0, 0], [4, 6], [9, 9]])
    images, classes = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([2, 2, 0, 2, 1])
    valid = torch.tensor([True, True, True, True, False])
    heatmap = CenterHeatmap(images, classes, centers, (2, 3, 5, 7), 1.0, valid, torch.tensor(tags))
    pixels = torch.tensor(pixels, dtype=torch.int64)
    values, channels = heatmap.at(pixels)
    expected = heatmap.dense().permute(0, 2, 3, 1).reshape(-1, 3)[pixels]
    assert torch.equal(torch.zeros(len(pixels), 3).scatter_add_(1, channels, values), expected)


def test_offsets_point_from_pixel_to_center_and_untrusted_instances_leave_no_trace():
    instances = torch.tensor([[[0, 0, -1, 1]]])
    targets = targets_of(
        instances,
        torch.tensor([[2, 1], [0, 0]]),
        torch.tensor([0.5, 0.0]),
        heatmap_of([], (1, 1, 1, 4)),
    )
    assert targets.offset[0, 0].tolist() == [[2, 2, 0, 0]]
    assert targets.offset[0, 1].tolist() == [[1, 0, 0, 0]]
    assert targets.weight[0, 0].tolist() == [[0.5, 0.5, 0, 0]]
    assert targets.instances[0].tolist() == [[0, 0, -1, -1]]
    assert targets.weight_at_pixels().tolist() == [[0.5], [0.5], [0]]
    assert targets.offset_at_pixels()[:2].tolist() == [[2, 1], [2, 0]]


def test_equidistant_pixels_go_to_the_first_center():
    region = torch.ones(1, 1, 3, dtype=torch.int64)
    centers = sort_centers(torch.tensor([[0, 0], [0, 2]]), torch.tensor([0, 0]), region, 1)
    assert assign_pixels(torch.zeros(1, 2, 1, 3), region, centers).tolist() == [[[0, 0, 1]]]


def test_targets_group_back_to_the_same_instances():
    """Two touching discs of one class, and one of another: targets as outputs give the discs."""
    yy, xx = np.mgrid[:60, :90]
    discs = [((30, 20), 15, 0), ((30, 50), 15, 0), ((20, 78), 10, 1)]
    instances = np.full((60, 90), -1)
    for index, ((y, x), radius, _) in enumerate(discs):
        instances[(yy - y) ** 2 + (xx - x) ** 2 <= radius**2] = index
    centers = torch.tensor([disc[0] for disc in discs])
    classes = torch.tensor([disc[2] for disc in discs])
    targets = targets_of(
        torch.from_numpy(instances).unsqueeze(0),
        centers,
        torch.ones(3),
        heatmap_of(centers.tolist(), (1, 2, 60, 90), 4.0, classes.tolist()),
    )
    class_map = np.concatenate([classes.numpy() + 1, [0]])[instances]
    probability = torch.nn.functional.one_hot(torch.from_numpy(class_map), 3).permute(2, 0, 1)
    found = group_pixels(probability.float(), targets.center[0], targets.offset[0], kernel=11)
    assert sorted(found.classes.tolist()) == [0, 0, 1]
    np.testing.assert_allclose(found.scores.numpy(), 1)
    for index in range(3):
        number = found.instance_map[instances == index].unique()
        assert len(number) == 1
        np.testing.assert_array_equal(found.instance_map.numpy() == int(number), instances == index)


def test_points_on_the_first_row_count_and_classes_without_points_are_dropped():
    probability = torch.zeros(3, 1, 4)
    probability[1, 0, :2] = probability[2, 0, 2:] = 1
    found = group_pixels_by_points(
        probability, torch.zeros(2, 1, 4), torch.tensor([[0.7, 0.2]]), torch.tensor([0])
    )
    assert found.instance_map.tolist() == [[1, 1, 0, 0]] and found.scores.tolist() == [1]


def test_nothing_in_gives_nothing_out():
    probability = torch.zeros(2, 4, 5)
    probability[0] = 1
    for found in (
        group_pixels(probability, torch.zeros(1, 4, 5), torch.zeros(2, 4, 5)),
        group_pixels_by_points(
            probability, torch.zeros(2, 4, 5), torch.zeros(0, 2), torch.zeros(0)
        ),
    ):
        assert not found.instance_map.any() and len(found.classes) == len(found.scores) == 0


def test_refinement_without_points_guides_nothing():
    nothing = torch.zeros(0, dtype=torch.int64)
    targets = refine_labels_with_points(
        torch.zeros(1, 2, 3, 3),
        torch.ones(1, 3, 3, dtype=torch.uint8),
        torch.ones(1, 2, dtype=torch.bool),
        nothing,
        nothing,
        torch.zeros(0, 2, dtype=torch.int64),
        heatmap_of([], (1, 2, 3, 3)),
    )
    assert not targets.weight.any() and not targets.offset.any()
