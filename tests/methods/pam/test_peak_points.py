import numpy as np
import pytest
import torch

from bestie.methods.pam.peak_points import average_mirrored, find_peak_points
from tests.conftest import reference_cases


@pytest.mark.parametrize("case", reference_cases("peaks"))
def test_reference_peaks(case):
    data, parameters = case.load()
    maps = average_mirrored(*torch.from_numpy(data["in_cam"]))
    points, classes, scores = find_peak_points(
        maps, parameters["kernel"], parameters["top_k"], parameters["conf_thresh"]
    )
    assert parameters["smoothing_kernel"] == 3
    xy = points.flip(1).numpy()
    found = np.column_stack([xy, data["in_classes"][classes.numpy()]])
    np.testing.assert_array_equal(found, data["out_points"])
    np.testing.assert_allclose(scores.numpy(), data["out_conf"], rtol=0, atol=1e-6)


def spikes(*values_at: tuple[float, int, int], size: tuple[int, int] = (20, 30)) -> torch.Tensor:
    """A map whose 3x3 mean has exactly these values as its local maxima."""
    map_ = torch.zeros(size)
    for value, y, x in values_at:
        map_[y, x] = 9 * value
    return map_


def peaks_of_spikes(map_: torch.Tensor, **settings):
    # A spike's mean is flat on 3x3 pixels; the middle gets a little more.
    ramp = map_ + 1e-3 * torch.nn.functional.max_pool2d(map_[None], 3, 1, 1)[0] * (map_ == 0)
    return find_peak_points(ramp.unsqueeze(0), **settings)


def test_points_are_sorted_and_cut_by_class_and_confidence():
    first = spikes((0.2, 4, 4), (0.5, 4, 24), (0.05, 15, 15))
    points, classes, scores = peaks_of_spikes(first, kernel=5)
    assert points.tolist() == [[4, 24], [4, 4]] and classes.tolist() == [0, 0]
    assert scores[0] > scores[1] > 0.19
    points, _, _ = peaks_of_spikes(first, kernel=5, top_k=1)
    assert points.tolist() == [[4, 24]]
    points, _, _ = peaks_of_spikes(first, kernel=5, threshold=0.0)
    assert points.tolist() == [[4, 24], [4, 4], [15, 15]]


def test_top_k_counts_each_class_on_its_own():
    maps = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    _, classes, scores = find_peak_points(maps, kernel=3, top_k=4)
    assert classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert all((scores[classes == c].diff() <= 0).all() for c in range(3))


def test_the_window_decides_which_neighbours_compete():
    map_ = spikes((0.3, 10, 8), (0.5, 10, 14))
    assert len(peaks_of_spikes(map_, kernel=9)[0]) == 2
    assert peaks_of_spikes(map_, kernel=11)[0].tolist() == [[10, 14]]


def test_plateaus_are_points_and_empty_maps_are_none():
    flat = torch.full((1, 5, 5), 0.5)
    assert len(find_peak_points(flat, kernel=3)[0]) == 9  # the border is lowered by the zeros
    for maps in (torch.zeros(2, 6, 6), torch.zeros(0, 6, 6)):
        points, classes, scores = find_peak_points(maps, threshold=0.0)
        assert points.shape == (0, 2) and len(classes) == len(scores) == 0


def test_mirrored_maps_are_mirrored_back():
    maps = torch.rand(2, 4, 5)
    torch.testing.assert_close(average_mirrored(maps, maps.flip(-1)), maps)


def flat_border_peak() -> torch.Tensor:
    """(1, 12, 12): a peak at the upper border, flat towards it, as enlarged maps are."""
    column = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.6, 0.2, 0, 0, 0, 0, 0, 0])
    row = torch.tensor([0, 0, 0.2, 0.5, 0.9, 1.0, 0.9, 0.5, 0.2, 0, 0, 0])
    return (column.view(-1, 1) * row).unsqueeze(0)


def test_a_peak_at_the_border_is_one_cue_if_touching_points_are_merged():
    maps = flat_border_peak()
    points, _, scores = find_peak_points(maps, kernel=5)
    assert points.tolist() == [[1, 5], [2, 5]] and scores[0] == scores[1]
    points, classes, merged = find_peak_points(maps, kernel=5, merge_touching=True)
    assert points.tolist() == [[1, 5]] and classes.tolist() == [0]
    assert merged[0] == scores[0]


def test_merging_keeps_classes_and_points_apart_that_do_not_touch():
    maps = torch.cat([flat_border_peak(), flat_border_peak().flip(1)])
    points, classes, _ = find_peak_points(maps, kernel=5, merge_touching=True)
    assert points.tolist() == [[1, 5], [9, 5]] and classes.tolist() == [0, 1]
    flat = torch.full((1, 5, 5), 0.5)
    assert find_peak_points(flat, kernel=3, merge_touching=True)[0].tolist() == [[2, 2]]
    empty = find_peak_points(torch.zeros(1, 6, 6), threshold=0.0, merge_touching=True)
    assert empty[0].shape == (0, 2)


def test_points_that_touch_no_other_are_not_changed_by_merging():
    maps = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    plain, merged = (find_peak_points(maps, merge_touching=merge) for merge in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(plain, merged, strict=True))
