import torch

from bestie.methods.solo import kernels as module
from bestie.methods.solo.kernels import measure_masks, select_levels

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


def test_measures_do_not_depend_on_the_chunks(monkeypatch):
    kernels = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    together = measure_masks(kernels, FEATURES)
    monkeypatch.setattr(module, "CHUNK_VALUES", 1)
    alone = measure_masks(kernels, FEATURES)
    assert torch.equal(alone.areas, together.areas)
    torch.testing.assert_close(alone.maskness, together.maskness)


def test_other_thresholds_count_other_pixels():
    kernel = torch.tensor([WEAK_LEFT])  # probability 0.71 on the left, 0.29 on the right
    assert measure_masks(kernel, FEATURES, 0.2).areas.tolist() == [8]
    assert measure_masks(kernel, FEATURES, 0.8).areas.tolist() == [0]
    assert measure_masks(kernel, FEATURES, 0.0).areas.tolist() == [8]


def test_level_of_the_best_product_is_chosen_and_ties_go_to_the_finer():
    maskness = torch.tensor([[0.9, 0.7], [0.9, 0.7], [0.9, 0.9], [0.0, 0.0]])
    probability = torch.tensor([[0.5, 0.5], [0.1, 0.9], [0.5, 0.5], [0.9, 0.9]])
    choice = select_levels(maskness, probability)
    assert choice.levels.tolist() == [0, 1, 0, 0]
    assert choice.found.tolist() == [True, True, True, False]
    torch.testing.assert_close(choice.scores, maskness * probability)


def test_no_points_choose_nothing():
    assert select_levels(torch.zeros(0, 3), torch.zeros(0, 3)).levels.shape == (0,)
