import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from bestie.methods.solo import kernels as module
from bestie.methods.solo.kernels import mask_probabilities
from bestie.methods.solo.windows import mask_windows

# Two features: one on the left half of a 2 x 4 map, one on the right.
FEATURES = torch.tensor([[[9.0, 9, -9, -9]] * 2, [[-9.0, -9, 9, 9]] * 2])


def place(window, size):
    whole = np.zeros(size, bool)
    height, width = window.mask.shape
    whole[window.top : window.top + height, window.left : window.left + width] = window.mask
    return whole


def whole_maps(kernels, features, image, output):
    """The simplest way: probabilities of the whole padded image, cut and resized."""
    maps = mask_probabilities(kernels, features).unsqueeze(0)
    maps = F.interpolate(maps, scale_factor=4, mode="bilinear")[..., : image[0], : image[1]]
    if tuple(output) != tuple(image):
        maps = F.interpolate(maps, output, mode="bilinear")
    return maps[0].numpy()


@pytest.mark.parametrize("size", [(8, 16), (7, 13)])
def test_masks_come_at_the_output_size(size):
    (window,) = mask_windows(torch.tensor([[1.0, 0.0]]), FEATURES, size, (16, 32))
    # The left half of the padded image, 8 of 16 pixels, is a larger share of a cut one.
    assert place(window, (16, 32)).sum(1).tolist() == [round(32 * 8 / size[1])] * 16


def test_window_of_a_small_mask_is_small_in_a_large_photo():
    features = torch.full((1, 40, 40), -9.0)
    features[0, 10:12, 20:23] = 9.0
    (window,) = mask_windows(torch.ones(1, 1), features, (160, 160), (3200, 3200))
    assert window.mask.size < 0.02 * 3200**2
    # 2 x 3 feature pixels of 80 x 80 pixels of the photo; bilinear edges lie halfway between.
    assert 0.9 * 160 * 240 < window.mask.sum() < 160 * 240  # round corners


def test_empty_masks_and_no_masks():
    kernels = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    empty, right = mask_windows(kernels, FEATURES, (8, 8), (8, 8))
    # The mask of the right half lies in the padding; of the image only its blurred edge is left.
    assert not empty.mask.any() and not place(right, (8, 8))[:, :7].any()
    assert list(mask_windows(kernels[:0], FEATURES, (8, 8), (8, 8))) == []


side = st.integers(2, 12)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(side, side),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)) | st.none(),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.integers(0, 2**31),
)
def test_windows_are_cut_out_of_whole_maps(shape, padding, output, threshold, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(3, *shape, generator=generator) * 3
    kernels = torch.randn(4, 3, generator=generator)
    image = tuple(4 * n - p for n, p in zip(shape, padding, strict=True))
    output = output or image  # None: masks of the network's image
    expected = whole_maps(kernels, features, image, output)
    found = mask_windows(kernels, features, image, output, threshold)
    for window, probability in zip(found, expected, strict=True):
        # The order of the sums may differ, which only the last bits of a value can show.
        clear = abs(probability - threshold) > 1e-6
        mask = probability > threshold
        np.testing.assert_array_equal(place(window, output)[clear], mask[clear])


def test_chunks_do_not_matter(monkeypatch):
    kernels = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    together = list(mask_windows(kernels, FEATURES, (8, 16), (30, 40)))
    monkeypatch.setattr(module, "CHUNK_VALUES", 1)
    for one, other in zip(
        mask_windows(kernels, FEATURES, (8, 16), (30, 40)), together, strict=True
    ):
        np.testing.assert_array_equal(place(one, (30, 40)), place(other, (30, 40)))
