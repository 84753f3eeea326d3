import torch

from bestie.methods.bestie.centers import sort_centers
from bestie.methods.bestie.grouping import (
    assign_pixels,
    gather_by_class,
    group_pixels,
    group_pixels_by_points,
    measure_instances,
)


def test_equidistant_pixels_go_to_the_first_center():
    region_map = torch.ones(1, 1, 3, dtype=torch.int64)
    centers = sort_centers(torch.tensor([[0, 0], [0, 2]]), torch.tensor([0, 0]), region_map, 1)
    assert assign_pixels(torch.zeros(1, 2, 1, 3), region_map, centers).tolist() == [[[0, 0, 1]]]


def test_pixels_follow_their_offset_within_their_region():
    region_map = torch.tensor([[[1, 1, 1, 2, 0]]])
    centers = sort_centers(torch.tensor([[0, 0], [0, 2]]), torch.tensor([0, 0]), region_map, 2)
    offset = torch.tensor([[[[0.0, 0, 0, 0, 0]], [[2.0, -1, -2, -3, 0]]]])
    # Region 2 has no center, the last pixel no region.
    assert assign_pixels(offset, region_map, centers).tolist() == [[[1, 0, 0, -1, -1]]]


def test_measures_of_two_instances_and_one_without_pixels():
    found = measure_instances(
        torch.tensor([[[0.2, 0.7, 0.7, 0.1]]]),
        torch.tensor([[[0.5, 1.0, 0.0, 0.4]]]),
        torch.tensor([[[0, 0, 0, 2]]]),
        torch.tensor([0, 1, 2, 3]),
        3,
    )
    torch.testing.assert_close(found.peak, torch.tensor([0.7, 0.0, 0.1]))
    assert found.position.tolist() == [1, 0, 3] and found.area.tolist() == [3, 0, 1]
    torch.testing.assert_close(found.mean, torch.tensor([0.5, 0.0, 0.4]))


def test_values_are_read_in_the_channel_of_the_region_and_0_outside():
    maps = torch.tensor([[[[1.0, 2, 3]], [[4.0, 5, 6]]]])
    region_map = torch.tensor([[[1, 0, 2]]])
    assert gather_by_class(maps, region_map, torch.tensor([1, 0])).tolist() == [[[4, 0, 3]]]
    assert gather_by_class(maps, region_map, torch.tensor([0, 0]), first=1).tolist() == [
        [[4, 0, 6]]
    ]


def one_row(*class_probability):
    """Probabilities (C + 1, 1, W), the background takes the rest."""
    classes = torch.tensor(class_probability).unsqueeze(1)
    return torch.cat([1 - classes.sum(0, keepdim=True), classes])


def test_score_is_center_value_times_mean_probability():
    probability = one_row([0.8, 0.6, 0.0])
    center = torch.tensor([[[0.5, 0.2, 0.0]]])
    found = group_pixels(probability, center, torch.zeros(2, 1, 3), kernel=3, min_area=1)
    assert found.instance_map.tolist() == [[1, 1, 0]] and found.classes.tolist() == [0]
    torch.testing.assert_close(found.scores, torch.tensor([0.5 * 0.7]))


def test_a_component_without_center_is_one_instance_or_none():
    probability, maps = one_row([0.8, 0.6, 0.0]), (torch.zeros(1, 1, 3), torch.zeros(2, 1, 3))
    found = group_pixels(probability, *maps, min_area=1)
    assert found.instance_map.tolist() == [[1, 1, 0]]
    assert not group_pixels(probability, *maps, min_area=1, keep_centerless=False).classes.numel()
    assert not group_pixels(probability, *maps, min_area=3).classes.numel()


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
