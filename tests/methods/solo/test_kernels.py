import pytest
import torch

from bestie.methods.solo import kernels as module
from bestie.methods.solo.kernels import measure_masks, resize_masks, select_levels

# Two features: one on the left half of a 2 x 4 map, one on the right.
FEATURES = torch.tensor([[[9.0, 9, -9, -9]] * 2, [[-9.0, -9, 9, 9]] * 2])
LEFT, WEAK_LEFT, NOWHERE = [1.0, 0.0], [0.1, 0.0], [-1.0, -1.0]


def test_area_and_maskness_by_hand():
    areas, maskness = measure_masks(torch.tensor([LEFT, WEAK_LEFT, [-1.0, -1.01]]), FEATURES)
    assert areas.tolist() == [4, 4, 4]
    expected = torch.tensor([9.0, 0.9, 0.09]).sigmoid()
    torch.testing.assert_close(maskness, expected)


def test_empty_mask_has_no_maskness():
    found = measure_masks(torch.tensor([[0.0, 0.0]]), FEATURES)
    assert found.areas.tolist() == [0] and found.maskness.tolist() == [0]
    assert len(measure_masks(torch.zeros(0, 2), FEATURES).maskness) == 0


def choose(kernels, probability):
    return select_levels(torch.tensor(kernels), torch.tensor(probability), FEATURES)


def test_level_of_the_best_product_is_chosen_and_ties_go_to_the_finer():
    choice = choose(
        [[LEFT, WEAK_LEFT], [LEFT, WEAK_LEFT], [LEFT, LEFT], [[0.0, 0.0]] * 2],
        [[0.5, 0.5], [0.1, 0.9], [0.5, 0.5], [0.9, 0.9]],
    )
    assert choice.levels.tolist() == [0, 1, 0, 0]
    assert choice.found.tolist() == [True, True, True, False]


def test_points_do_not_depend_on_each_other_nor_on_the_chunks(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    kernels, probability = torch.randn(7, 3, 2, generator=generator), torch.rand(7, 3)
    together = select_levels(kernels, probability, FEATURES)
    monkeypatch.setattr(module, "CHUNK_VALUES", 1)
    for number in range(7):
        alone = select_levels(kernels[number, None], probability[number, None], FEATURES)
        torch.testing.assert_close(alone.scores[0], together.scores[number])
        assert alone.levels[0] == together.levels[number]


@pytest.mark.parametrize("size", [(8, 16), (7, 13)])
def test_masks_come_back_at_the_output_size(size):
    masks = resize_masks(torch.tensor([LEFT]), FEATURES, size, (16, 32))
    assert masks.shape == (1, 16, 32)
    # The left half of the padded image, 8 of 16 pixels, is a larger share of a cut one.
    assert masks[0].sum(1).tolist() == [round(32 * 8 / size[1])] * 16
    assert resize_masks(torch.zeros(0, 2), FEATURES, size, (5, 6)).shape == (0, 5, 6)
