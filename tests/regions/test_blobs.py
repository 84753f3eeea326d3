import numpy as np
import pytest
import torch

from bestie.regions import blobs
from bestie.regions.blobs import blobs_as_on_a_gpu, label_blobs


def labels_of(mask, region_map, max_area=9):
    mask, region_map = torch.tensor([mask]).bool(), torch.from_numpy(region_map)[None]
    by_opencv = label_blobs(mask, region_map, max_area)
    with blobs_as_on_a_gpu():
        assert torch.equal(label_blobs(mask, region_map, max_area), by_opencv)
    return by_opencv[0].tolist()


def test_a_blob_is_labelled_by_its_first_pixel_and_diagonals_do_not_connect():
    mask = [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert labels_of(mask, np.ones((3, 3), int)) == [[0, 0, 9], [9, 0, 9], [9, 9, 8]]


def test_touching_regions_keep_their_blobs_apart():
    assert labels_of([[1, 1, 1, 1]], np.array([[1, 1, 2, 2]])) == [[0, 0, 2, 2]]


def test_images_of_a_batch_are_not_connected():
    mask = torch.ones(2, 2, 1, dtype=torch.bool)
    found = label_blobs(mask, torch.ones(2, 2, 1, dtype=torch.int64), 9)
    assert found.view(-1).tolist() == [0, 0, 2, 2]


def test_the_gpu_algorithm_is_left_again_after_an_error():
    with pytest.raises(RuntimeError, match="stop"), blobs_as_on_a_gpu():
        raise RuntimeError("stop")
    assert not blobs._gpu_algorithm_everywhere


def test_blobs_by_propagation_equal_those_of_opencv():
    rng = np.random.default_rng(0)
    for _ in range(40):
        mask = torch.from_numpy(rng.random((2, 24, 31)) < rng.choice([0.3, 0.6, 0.9]))
        region_map = torch.from_numpy(
            rng.integers(1, 3, (2, 6, 8)).repeat(4, 1).repeat(4, 2)[:, :, :31]
        )
        whole = label_blobs(mask, region_map, 12)
        with blobs_as_on_a_gpu():
            small = label_blobs(mask, region_map, 12)
        area = torch.bincount(whole.view(-1))[whole]
        np.testing.assert_array_equal(
            small[mask & (area <= 12)].numpy(), whole[mask & (area <= 12)].numpy()
        )
        # Larger blobs may be missing, or found: never with another extent.
        kept = small[mask & (small < mask.numel())]
        assert (
            torch.bincount(kept, minlength=mask.numel() + 1)[kept]
            == area[mask & (small < mask.numel())]
        ).all()
