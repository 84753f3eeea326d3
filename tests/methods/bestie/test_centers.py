import pytest
import torch

from bestie.methods.bestie import centers
from bestie.methods.bestie.centers import (
    ClusterSettings,
    find_centers,
    flat_indices,
    sort_centers,
)
from bestie.regions import maxima

ONE_PIXEL = ClusterSettings(offset_thresh=1, area=1, beta=0.5, center_thresh=0.05, min_distance=2)


def find_in_row(value, length, cluster=ONE_PIXEL, region=None):
    """Centers of a row: columns, regions and values, from center values and offset lengths."""
    value = torch.tensor([[value]])
    offset = torch.stack([torch.tensor([length]), torch.zeros(1, len(length))]).unsqueeze(0)
    region_map = torch.tensor([[region or [1] * len(length)]])
    found, value = find_centers(
        value, offset, region_map, int(region_map.max()), threshold=0.3, kernel=3, cluster=cluster
    )
    return found.yx[:, 1].tolist(), found.center_region.tolist(), value[0, 0].tolist()


def test_a_blob_of_short_offsets_adds_a_center_that_the_maxima_missed():
    value, length = [0.1, 0.9, 0.1, 0.1, 0.25, 0.1], [5.0, 5, 5, 5, 0, 5]
    columns, _, marked = find_in_row(value, length)
    assert columns == [1, 4] and marked == pytest.approx([0.1, 0.9, 0.1, 0.1, 1.0, 0.1])
    assert find_in_row(value, length, cluster=None)[0] == [1]


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ([0.1, 0.9, 0.1, 0.25, 0.1, 0.1], [5.0, 5, 5, 0, 5, 5]),  # two pixels from the maximum
        ([0.1, 0.9, 0.1, 0.1, 0.01, 0.1], [5.0, 5, 5, 5, 0, 5]),  # center value too low
        ([0.1, 0.9, 0.1, 0.1, 0.25, 0.1], [5.0, 5, 5, 5, 0, 0]),  # blob too large
    ],
)
def test_proposals_that_do_not_count(value, length):
    assert find_in_row(value, length)[0] == [1]


def test_a_near_maximum_of_another_region_does_not_matter():
    value, length = [0.1, 0.9, 0.25, 0.1], [5.0, 5, 0, 5]
    assert find_in_row(value, length)[0] == [1]
    assert find_in_row(value, length, region=[1, 1, 2, 2])[:2] == ([1, 2], [0, 1])


def test_nothing_above_the_threshold_and_no_regions_give_no_centers():
    assert find_in_row([0.3, 0.2], [5.0, 5])[0] == []
    assert find_in_row([0.9, 0.2], [5.0, 5], region=[0, 0])[0] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"threshold": -0.1, "kernel": 3}, "negative"), ({"threshold": 0.1, "kernel": 2}, "odd")],
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        find_centers(
            torch.zeros(1, 2, 2),
            torch.zeros(1, 2, 2, 2),
            torch.ones(1, 2, 2, dtype=torch.int64),
            1,
            cluster=None,
            **settings,
        )


def test_centers_are_sorted_by_region_and_numbered_within_it():
    region_map = torch.tensor([[[1, 1, 2, 3, 0]]])
    yx = torch.tensor([[0, 3], [0, 1], [0, 9], [0, 0]])
    found = sort_centers(yx, torch.tensor([2, 0, 3, 0]), region_map, 3)  # 3: left out
    assert found.yx[:, 1].tolist() == [1, 0, 3] and found.center_region.tolist() == [0, 0, 2]
    assert found.rank_in_region.tolist() == [1, 2, 1]
    assert found.start.tolist() == [0, 2, 2] and found.count.tolist() == [2, 0, 1]
    assert (found.most, found.owned_pixels, found.contested_pixels) == (2, 3, 2)


def test_flat_indices_are_ascending():
    assert flat_indices(torch.tensor([[False, True], [True, False]]), 2).tolist() == [1, 2]


def test_largest_area_of_a_blob_lies_strictly_below_the_bound():
    assert ClusterSettings(area=21, beta=3).max_area == 23
    assert ClusterSettings(area=21, beta=2.5).max_area == 23


def test_centers_in_blocks_equal_those_in_one_go(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(2, 40, 40, generator=generator)
    offset = 4 * torch.randn(2, 2, 40, 40, generator=generator)
    region_map = torch.ones(2, 40, 40, dtype=torch.int64)
    region_map[1] = 2
    cluster = ClusterSettings(area=5, beta=5, min_distance=2)

    def find():
        return find_centers(value, offset, region_map, 2, threshold=0.1, kernel=5, cluster=cluster)

    whole, whole_value = find()
    monkeypatch.setattr(maxima, "CANDIDATES_AT_ONCE", 7)
    monkeypatch.setattr(centers, "PAIRS_AT_ONCE", 50)
    parts, parts_value = find()
    assert torch.equal(parts.yx, whole.yx) and torch.equal(parts_value, whole_value)
    assert len(whole.yx) > 20 and (whole_value != value).any()
