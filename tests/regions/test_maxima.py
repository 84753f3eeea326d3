import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.bestie.reference import local_maxima
from bestie.regions import maxima
from bestie.regions.maxima import beat_neighbors, beat_window


def maxima_of(value, region_map=None, kernel=3, candidates=None):
    """(y, x) of the maxima of one map."""
    value = value.unsqueeze(0)
    candidates = torch.ones_like(value, dtype=torch.bool) if candidates is None else candidates
    candidate = beat_neighbors(value, candidates, region_map, kernel=kernel)
    position = candidate.view(-1).nonzero().squeeze(1)
    position = position[beat_window(position, value, region_map, kernel=kernel)]
    return [divmod(int(flat), value.shape[2]) for flat in position]


ROW = torch.tensor([[1.0, 2.0, 1.0, 0.0, 5.0]])


def test_the_window_decides_which_pixels_compete():
    assert maxima_of(ROW, kernel=1) == [(0, x) for x in range(5)]
    assert maxima_of(ROW, kernel=3) == [(0, 1), (0, 4)]
    assert maxima_of(ROW, kernel=7) == [(0, 4)]


def test_only_pixels_of_the_same_region_compete():
    region_map = torch.tensor([[[1, 1, 1, 1, 2]]])
    assert maxima_of(ROW, region_map, kernel=7) == [(0, 1), (0, 4)]


def test_a_plateau_is_a_maximum_as_a_whole():
    assert maxima_of(torch.tensor([[1.0, 3.0], [3.0, 0.0]])) == [(0, 1), (1, 0)]


def test_images_of_a_batch_do_not_compete():
    value = torch.tensor([[[1.0, 2.0]], [[4.0, 3.0]]])
    kept = beat_neighbors(value, torch.ones_like(value, dtype=torch.bool), kernel=3)
    assert kept.tolist() == [[[False, True]], [[True, False]]]
    assert beat_window(torch.tensor([0, 1, 2, 3]), value, kernel=5).tolist() == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("kernel", [0, -1, 4])
def test_even_windows_are_refused(kernel):
    with pytest.raises(ValueError, match=f"odd and positive, got {kernel}"):
        maxima_of(ROW, kernel=kernel)


def test_blocks_of_candidates_give_the_same(monkeypatch):
    value = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
    whole = beat_window(torch.arange(400), value, kernel=5)
    monkeypatch.setattr(maxima, "CANDIDATES_AT_ONCE", 7)
    assert torch.equal(beat_window(torch.arange(400), value, kernel=5), whole)
    assert 5 < whole.sum() < 60


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3, 5, 9]), st.sampled_from([2, 5, 100]))
def test_equals_the_naive_version(seed, kernel, levels):
    value = torch.rand(8, 11, generator=torch.Generator().manual_seed(seed))
    value = (value * levels).round() / levels  # few levels: many plateaus
    found = maxima_of(value, kernel=kernel, candidates=value.unsqueeze(0) > 0.3)
    assert found == local_maxima(value.numpy(), 0.3, kernel)
