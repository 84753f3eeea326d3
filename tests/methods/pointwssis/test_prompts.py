import torch

from bestie.methods.pointwssis.prompts import (
    candidates_of_cells,
    candidates_of_points,
    filter_by_points,
    first_of_cells,
    levels_of_sizes,
    scale_points,
)
from bestie.methods.solo.grids import Positives
from bestie.methods.solo.inference import Candidates, HeadOutputs, RankSettings, rank
from bestie.methods.solo.kernels import measure_masks

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
    torch.testing.assert_close(found.measures.maskness, torch.tensor([9.0]).sigmoid().expand(3))
    assert found.measures.areas.tolist() == [8, 8, 8]


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
    first, clicks = first_of_cells(candidates)
    assert first.tolist() == [0, 1] and clicks.tolist() == [1, 1]
    settings = RankSettings(strides=(1, 1), nms="mask")
    assert len(rank(candidates, outputs(), settings).index) == 1


def test_two_clicks_on_one_cell_and_class_are_one_label_but_two_classes_are_two():
    cells, ones = torch.tensor([5, 3, 5, 5, 3]), torch.ones(5)
    candidates = Candidates(cells, torch.tensor([0, 1, 0, 1, 0]), ones)
    first, clicks = first_of_cells(candidates)
    assert first.tolist() == [0, 1, 3, 4] and clicks.tolist() == [2, 1, 1, 1]
    empty = torch.zeros(0, dtype=torch.int64)
    assert [len(part) for part in first_of_cells(Candidates(empty, empty, empty.float()))] == [0, 0]


def test_selected_candidates_keep_their_points_and_measures():
    points, classes = torch.tensor([[1.0, 1.0], [2.0, 2.0], [1.0, 9.0]]), torch.tensor([1, 1, 1])
    found = candidates_of_points(points, classes, outputs(), PADDED)
    chosen = found.select(torch.tensor([0, 2]))
    assert chosen.points.tolist() == [0, 2] and chosen.candidates.cells.tolist() == [0, 1]
    expected = measure_masks(outputs().kernels[[0, 1]], FEATURES)
    assert torch.equal(chosen.measures.areas, expected.areas)
    torch.testing.assert_close(chosen.measures.maskness, expected.maskness)


def test_only_the_kernels_under_points_are_used():
    """The kernels of all other cells, and of levels that are not read, may be anything."""
    points, classes = torch.tensor([[1.0, 1.0], [9.0, 1.0]]), torch.tensor([0, 0])
    for levels, read in ((None, [0, 2, 4]), (torch.tensor([0, 0]), [0, 2])):
        given = outputs()
        poisoned = torch.full_like(given.kernels, float("nan"))
        poisoned[read] = given.kernels[read]
        expected = candidates_of_points(points, classes, given, PADDED, levels=levels)
        given = given._replace(kernels=poisoned)
        found = candidates_of_points(points, classes, given, PADDED, levels=levels)
        assert torch.equal(found.candidates.cells, expected.candidates.cells)
        assert torch.equal(found.measures.maskness, expected.measures.maskness)


def test_points_follow_the_middle_of_their_pixels():
    points = torch.tensor([[0.0, 0.0], [9.0, 19.0], [4.5, 9.5]])
    doubled = scale_points(points, (10, 20), (20, 40))
    assert doubled.tolist() == [[0.5, 0.5], [18.5, 38.5], [9.5, 19.5]]
    torch.testing.assert_close(scale_points(doubled, (20, 40), (10, 20)), points.double())
    assert torch.equal(scale_points(points, (10, 20), (10, 20)), points.double())


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
    masks = masks.numpy()
    found = filter_by_points(masks, classes, scores, points, torch.tensor([0, 0, 0, 1]))
    assert found.tolist() == [1, 0, -1, 2]
    none = filter_by_points(masks[:0], classes[:0], scores[:0], points, torch.tensor([0, 0, 0, 1]))
    assert none.tolist() == [-1] * 4
