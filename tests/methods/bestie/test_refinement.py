import torch

from bestie.methods.bestie.refinement import (
    RefineSettings,
    refine_labels,
    refine_labels_with_points,
)
from bestie.regions import Regions
from tests.methods.bestie.tiny_targets import all_tags, heatmap_of, point_set

SURE = torch.tensor([[0.0], [1.0]]).log()  # of background and the only class


def refine_row(center, offset, **settings):
    """Refined targets of a row that is one region of class 0 with its centroid in column 2."""
    width = len(center)
    regions = Regions.join(
        maps=[torch.ones(1, width)],
        classes=[torch.tensor([0])],
        centroids=[torch.tensor([[0, 2]])],
        confidence=[torch.tensor([0.0])],
    )
    return refine_labels(
        SURE.expand(2, width).view(1, 2, 1, width),
        torch.tensor(center).view(1, 1, 1, width),
        torch.stack([torch.zeros(width), torch.tensor(offset)]).view(1, 2, 1, width),
        regions,
        all_tags((1, 1)),
        RefineSettings(kernel=3, **settings),
        sigma=1.0,
    )


CENTER, OFFSET = [0.0, 0.8, 0.0, 0.0, 0.5, 0.0], [1.0, 0, -1, 1, 0, -1]


def test_two_centers_part_a_region_and_give_their_confidence():
    targets = refine_row(CENTER, OFFSET)
    assert targets.pixel_owner.tolist() == [[[0, 0, 0, 1, 1, 1]]]
    torch.testing.assert_close(
        targets.weight[0, 0, 0], torch.tensor([0.8, 0.8, 0.8, 0.5, 0.5, 0.5])
    )
    assert targets.offset[0, 1, 0].tolist() == [1, 0, -1, 1, 0, -1]
    assert targets.center[0, 0, 0, 1] == targets.center[0, 0, 0, 4] == 1


def test_a_component_with_too_many_instances_is_skipped():
    assert not refine_row(CENTER, OFFSET, max_instances=1).weight.any()


def test_a_component_without_center_is_skipped():
    assert not refine_row([0.0] * 6, OFFSET).weight.any()


def test_an_instance_that_lost_its_center_falls_back_to_the_centroid():
    # All pixels but the maximum of column 4 point to it, and that one points to column 1.
    targets = refine_row(CENTER, [4.0, 3, 2, 1, -3, -1])
    assert targets.pixel_owner.tolist() == [[[1, 1, 1, 1, 0, 1]]]
    assert targets.centers.tolist() == [[0, 4], [0, 1]]  # where the values are highest
    targets = refine_row([0.0, 0.8, 0.0, 0.0, 0.5, 0.0], [0.0, 3, -1, 1, 0, -1])
    assert targets.pixel_owner.tolist() == [[[0, 1, 0, 1, 1, 1]]]
    assert targets.centers.tolist() == [[0, 2], [0, 1]]
    torch.testing.assert_close(targets.confidence, torch.tensor([1.0, 0.8]))


def test_pixels_of_a_class_go_to_the_nearest_click():
    semantic_map = torch.tensor([[[1, 1, 1, 0, 2, 255]]], dtype=torch.uint8)
    points = point_set([[0, 0], [0, 2]])
    shape = (1, 2, 1, 6)
    targets = refine_labels_with_points(
        torch.zeros(1, 2, 1, 6),
        semantic_map,
        torch.tensor([[True, True]]),
        points,
        heatmap_of(points, shape),
    )
    assert targets.pixel_owner.tolist() == [[[0, 0, 1, -1, -1, -1]]]
    assert targets.weight[0, 0, 0].tolist() == [1, 1, 1, 0, 0, 0]


def test_refinement_without_points_guides_nothing():
    targets = refine_labels_with_points(
        torch.zeros(1, 2, 3, 3),
        torch.ones(1, 3, 3, dtype=torch.uint8),
        torch.ones(1, 2, dtype=torch.bool),
        point_set([]),
        heatmap_of(point_set([]), (1, 2, 3, 3)),
    )
    assert not targets.weight.any() and not targets.offset.any()
