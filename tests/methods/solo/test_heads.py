import pytest
import torch
from detectron2.layers import ShapeSpec

from bestie.methods.solo.heads import (
    GridHead,
    MaskBranch,
    initialize,
    pyramid_channels,
    with_coordinates,
)

NARROW = {"norm_groups": 2}
PYRAMID = [torch.randn(2, 4, 16 // 2**i, 24 // 2**i) for i in range(3)]


def grid_head(**options):
    given = {"num_classes": 3, "grids": (5, 4, 2), "channels": 4, "num_convs": 1}
    return GridHead(4, kernel_channels=6, **given, **NARROW, **options)


def test_coordinates_run_from_minus_one_to_one_x_first():
    found = with_coordinates(torch.zeros(1, 1, 2, 3))
    assert found[0, 1].tolist() == [[-1, 0, 1]] * 2
    assert found[0, 2].tolist() == [[-1] * 3, [1] * 3]


def test_each_level_has_its_own_grid():
    class_logits, kernels = grid_head()(PYRAMID)
    assert [tuple(level.shape) for level in class_logits] == [(2, 3, s, s) for s in (5, 4, 2)]
    assert [tuple(level.shape) for level in kernels] == [(2, 6, s, s) for s in (5, 4, 2)]


def test_two_levels_are_enough():
    head = GridHead(
        4, num_classes=1, grids=(3, 2), channels=4, num_convs=1, kernel_channels=2, **NARROW
    )
    assert [level.shape[-1] for level in head(PYRAMID[:2])[0]] == [3, 2]


def test_every_cell_starts_with_the_prior():
    class_logits, _ = grid_head(prior=0.2)(PYRAMID)
    for level in class_logits:
        torch.testing.assert_close(level.sigmoid(), torch.full_like(level, 0.2), atol=0.03, rtol=0)


def test_levels_are_added_at_the_size_of_the_finest():
    branch = MaskBranch(4, num_levels=3, channels=4, out_channels=6, **NARROW)
    assert branch(PYRAMID).shape == (2, 6, 16, 24)
    assert (branch(PYRAMID) >= 0).all()


def test_kaiming_weights_are_larger_than_the_papers():
    convolution = torch.nn.Conv2d(8, 8, 3)
    initialize(convolution, "normal")
    assert convolution.weight.std() < 0.02 and not convolution.bias.any()
    initialize(convolution, "kaiming")
    assert convolution.weight.std() > 0.1
    with pytest.raises(ValueError, match="INIT must be one of normal, kaiming, got 'zeros'"):
        initialize(convolution, "zeros")


def test_levels_need_one_number_of_channels():
    shapes = {"p2": ShapeSpec(channels=4), "p3": ShapeSpec(channels=4), "p4": ShapeSpec(channels=8)}
    assert pyramid_channels(shapes, ["p2", "p3"], "KEY") == 4
    with pytest.raises(ValueError, match=r"KEY: levels need one number of channels, got \[4, 8\]"):
        pyramid_channels(shapes, ["p2", "p4"], "KEY")
    with pytest.raises(ValueError, match="KEY: the backbone has no p7, only p2, p3, p4"):
        pyramid_channels(shapes, ["p7"], "KEY")
