import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.solo.grids import (
    Positives,
    assign_cells,
    cell_levels,
    cell_numbers,
    cells_of_points,
    class_targets,
    mask_centers,
    quarter_masks,
)

GRIDS, RANGES = [4, 2], [(1, 16), (8, 64)]


def cells(centers, sizes, **options):
    return assign_cells(
        torch.tensor(centers), torch.tensor(sizes), (32, 32), GRIDS, RANGES, **options
    )


def test_center_and_area_by_hand():
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, 1:3, 2:5] = True
    areas, centers = mask_centers(masks)
    assert areas.tolist() == [6, 0]
    assert centers.tolist() == [[1.5, 3.0], [0.0, 0.0]]


def test_size_decides_on_the_level_lower_bound_included_upper_excluded():
    for side, levels in ((0.5, []), (1.0, [0]), (8.0, [0, 1]), (16.0, [1]), (64.0, [])):
        found = cells([[4.0, 4.0]], [[side, side]], sigma=0.0)
        assert cell_levels(GRIDS)[found.cells].tolist() == levels


def test_center_region_reaches_at_most_one_cell_around():
    # The middle of cell (1, 1) of the 4 x 4 grid, whose cells have 8 pixels.
    assert cells([[12.0, 12.0]], [[7.0, 7.0]], sigma=0.2).cells.tolist() == [5]
    assert cells([[12.0, 12.0]], [[4.0, 12.0]], sigma=1.0).cells.tolist() == [4, 5, 6]
    everything = cells([[28.0, 28.0]], [[15.9, 15.9]], sigma=10.0).cells
    assert [cell for cell in everything.tolist() if cell < 16] == [10, 11, 14, 15]


def test_point_on_a_bound_belongs_to_the_later_cell_and_outside_to_the_nearest():
    points = torch.tensor([[8.0, 7.999], [-3.0, 32.0], [31.9, 40.0]])
    found = cells_of_points(points, (32, 32), GRIDS)
    assert found[:, 0].tolist() == [[1, 0], [0, 3], [3, 3]]
    assert found[:, 1].tolist() == [[0, 0], [0, 1], [1, 1]]


def test_numbers_run_through_levels_and_rows():
    levels, rows, columns = torch.tensor([[0, 0, 1, 1], [0, 3, 0, 1], [1, 3, 0, 1]])
    assert cell_numbers(levels, rows, columns, GRIDS).tolist() == [1, 15, 16, 19]
    assert cell_levels(GRIDS).tolist() == [0] * 16 + [1] * 4


def test_last_instance_owns_a_shared_cell():
    pairs = Positives(torch.tensor([0, 1, 2, 3]), torch.tensor([2, 2, 2, 0]))
    images, classes = torch.tensor([0, 0, 1, 1]), torch.tensor([4, 1, 3, 0])
    assert class_targets(pairs, images, classes, 2, 3, 5).tolist() == [[5, 5, 1], [0, 5, 3]]


def test_nothing_in_nothing_out():
    found = assign_cells(torch.zeros(0, 2), torch.zeros(0, 2), (32, 32), GRIDS, RANGES)
    empty = torch.zeros(0, dtype=torch.int64)
    assert len(found.cells) == 0
    assert (class_targets(found, empty, empty, 1, 20, 3) == 3).all()
    assert quarter_masks(torch.zeros(0, 8, 8, dtype=torch.bool)).shape == (0, 2, 2)


def test_quarter_mask_needs_two_of_the_middle_four():
    masks = torch.zeros(1, 4, 8, dtype=torch.bool)
    masks[0, 1, 1] = masks[0, 2, 2] = masks[0, 1, 5] = True
    masks[0, 0] = masks[0, 3] = True
    assert quarter_masks(masks).tolist() == [[[True, False]]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(0, 31.9)] * 2, *[st.floats(0, 80)] * 2), min_size=1, max_size=6),
    st.floats(0, 2),
)
def test_own_cell_is_always_positive_and_instances_do_not_depend_on_each_other(instances, sigma):
    values = torch.tensor(instances, dtype=torch.float64)
    found = assign_cells(values[:, :2], values[:, 2:], (32, 32), GRIDS, RANGES, sigma)
    under = cells_of_points(values[:, :2], (32, 32), GRIDS)
    for number in range(len(values)):
        alone = assign_cells(
            values[number : number + 1, :2],
            values[number : number + 1, 2:],
            (32, 32),
            GRIDS,
            RANGES,
            sigma,
        )
        mine = found.cells[found.instances == number]
        assert mine.tolist() == alone.cells.tolist()
        for level in set(cell_levels(GRIDS)[mine].tolist()):
            row, column = under[number, level]
            own = cell_numbers(torch.tensor(level), row, column, GRIDS)
            assert int(own) in mine.tolist()


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_mask_has_the_mirrored_center(axis):
    masks = torch.rand(5, 7, 9, generator=torch.Generator().manual_seed(0)) > 0.6
    centers, mirrored = mask_centers(masks)[1], mask_centers(masks.flip(axis))[1]
    expected = centers.clone()
    expected[:, axis - 1] = masks.shape[axis] - 1 - centers[:, axis - 1]
    torch.testing.assert_close(mirrored, expected)
