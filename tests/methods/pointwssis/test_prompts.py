import pytest
import torch

from bestie.methods.pointwssis.prompts import (
    candidates_of_cells,
    candidates_of_points,
    filter_by_points,
    levels_of_sizes,
    suppression_groups,
)
from bestie.methods.solo.grids import Positives
from bestie.methods.solo.inference import Candidates, HeadOutputs, RankSettings, rank

FEATURES = torch.tensor([[[9.0, 9, -9, -9]] * 4, [[-9.0, -9, 9, 9]] * 4])
PADDED = (16, 16)


def outputs(first_kernel=(1.0, 0.0)):
    """Grids of 2 and 1 cells: kernels of the left half, the right half; the coarse one is weak."""
    kernels = torch.tensor([first_kernel, [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.05, 0.05]])
    logits = [torch.zeros(2, 2, 2), torch.zeros(2, 1, 1)]
    return HeadOutputs(logits, kernels, FEATURES)


def test_points_of_one_cell_keep_their_own_class_and_order():
    points, classes = torch.tensor([[1.0, 1.0], [2.0, 2.0], [1.0, 9.0]]), torch.tensor([1, 0, 1])
    found = candidates_of_points(points, classes, outputs(), PADDED)
    assert found.candidates.cells.tolist() == [0, 0, 1]
    assert found.candidates.classes.tolist() == [1, 0, 1]
    assert found.points.tolist() == [0, 1, 2] and found.levels.tolist() == [0, 0, 0]
    assert found.class_scores.tolist() == [0.5] * 3
    expected = torch.tensor([9.0]).sigmoid() / 2
    torch.testing.assert_close(found.level_scores[:, 0], expected.expand(3))


def test_point_without_any_mask_gives_no_candidate():
    # The coarse kernel gives probability 1/2 everywhere, which is not above the threshold.
    points, classes = torch.tensor([[1.0, 1.0], [9.0, 1.0]]), torch.tensor([0, 0])
    found = candidates_of_points(points, classes, outputs((0.0, 0.0)), PADDED)
    assert found.points.tolist() == [1]


def test_given_levels_replace_the_choice():
    points, classes = torch.tensor([[1.0, 1.0], [9.0, 1.0]]), torch.tensor([0, 0])
    found = candidates_of_points(points, classes, outputs(), PADDED, levels=torch.tensor([1, 0]))
    assert found.points.tolist() == [1] and found.levels.tolist() == [0]


def test_neighbors_with_one_mask_lose_a_label_only_with_suppression_between_all():
    points, classes = torch.tensor([[1.0, 1.0], [9.0, 1.0]]), torch.tensor([0, 0])
    candidates = candidates_of_points(points, classes, outputs(), PADDED).candidates
    settings = RankSettings(strides=(1, 1), nms="mask")
    for between, number in (("cell", 2), ("class", 1)):
        groups = suppression_groups(candidates, between)
        assert len(rank(candidates, outputs(), settings, groups).index) == number


def test_two_clicks_on_one_cell_and_class_are_one_label_but_two_classes_are_two():
    settings = RankSettings(strides=(1, 1), nms="mask")
    for classes, number in (([0, 0], 1), ([0, 1], 2)):
        points = torch.tensor([[1.0, 1.0], [2.0, 1.0]])
        candidates = candidates_of_points(
            points, torch.tensor(classes), outputs(), PADDED
        ).candidates
        groups = suppression_groups(candidates)
        assert len(rank(candidates, outputs(), settings, groups).index) == number


def test_unknown_suppression_is_refused():
    empty = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="MODEL.POINTWSSIS.NMS_BETWEEN must be one of cell, class"):
        suppression_groups(Candidates(empty, empty, empty.float()), "image")


def test_known_objects_bring_each_cell_and_class_once():
    positives = Positives(torch.tensor([0, 1, 2, 2]), torch.tensor([3, 3, 3, 1]))
    candidates, objects = candidates_of_cells(positives, torch.tensor([0, 1, 0]))
    assert candidates.cells.tolist() == [1, 3, 3]
    assert candidates.classes.tolist() == [0, 0, 1]
    assert objects.tolist() == [2, 2, 1]
    nothing = torch.zeros(0, dtype=torch.int64)
    assert len(candidates_of_cells(Positives(nothing, nothing), nothing)[0].cells) == 0


def test_level_of_a_size_is_the_finest_that_holds_it():
    sizes = torch.tensor([[4.0, 4.0], [8.0, 8.0], [9.0, 4.0], [16.0, 4.0], [90.0, 90.0]])
    assert levels_of_sizes(sizes, [(1, 8), (4, 32)]).tolist() == [0, 1, 0, 1, 1]


def test_filter_takes_the_best_detection_of_the_class_under_the_point():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[0, :2], masks[1, :, :2], masks[2] = True, True, True
    classes, scores = torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.9, 0.3])
    points = torch.tensor([[0.5, 0.5], [0.5, 3.0], [3.0, 3.0], [3.0, 3.0]])
    found = filter_by_points(masks, classes, scores, points, torch.tensor([0, 0, 0, 1]))
    assert found.tolist() == [1, 0, -1, 2]
    none = filter_by_points(masks[:0], classes[:0], scores[:0], points, torch.tensor([0, 0, 0, 1]))
    assert none.tolist() == [-1] * 4
