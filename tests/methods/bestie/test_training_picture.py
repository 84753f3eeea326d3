import numpy as np
import pytest
import torch

from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets
from bestie.methods.bestie.training_picture import NetworkView, training_picture
from bestie.regions import PointSet

CLASSES, HEIGHT, WIDTH = 2, 32, 48


def targets(*boxes: tuple[int, int, int, int]):
    """A batch of two; the second image holds rectangles (top, left, bottom, right)."""
    instances = torch.full((2, HEIGHT, WIDTH), -1)
    for number, (top, left, bottom, right) in enumerate(boxes):
        instances[1, top:bottom, left:right] = number
    centers = (
        torch.tensor([[(t + b) // 2, (x + r) // 2] for t, x, b, r in boxes]).view(-1, 2).long()
    )
    ones = torch.ones(len(boxes), dtype=torch.int64)
    heatmap = CenterHeatmap(
        centers=PointSet(yx=centers, images=ones, classes=torch.zeros_like(ones)),
        shape=(2, CLASSES, HEIGHT, WIDTH),
        sigma=2.0,
        valid=ones.bool(),
        tags=torch.arange(CLASSES).expand(2, -1),
    )
    return InstanceTargets(
        pixel_owner=instances,
        centers=centers,
        confidence=ones.float(),
        heatmap=heatmap,
        pixels=(instances >= 0).view(-1).nonzero().squeeze(1),
    )


def view(dtype: torch.dtype = torch.float32) -> NetworkView:
    generator = torch.Generator().manual_seed(0)
    return NetworkView(
        torch.rand(CLASSES + 1, HEIGHT, WIDTH, generator=generator).to(dtype),
        torch.rand(CLASSES, HEIGHT, WIDTH, generator=generator).to(dtype),
        (10 * torch.randn(2, HEIGHT, WIDTH, generator=generator)).to(dtype),
        torch.zeros(HEIGHT, WIDTH, dtype=torch.int64),
    )


IMAGE = torch.full((3, HEIGHT, WIDTH), 100, dtype=torch.uint8)
WEAK_MAP = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_picture_is_one_rgb_array(dtype):
    picture = training_picture(
        IMAGE, WEAK_MAP, targets((4, 4, 20, 20)), targets(), view(dtype), index=1, panel_side=96
    )
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.shape[1] == 4 * 96 + 5 * 6 and picture.shape[0] > 3 * 64


def test_only_the_chosen_image_of_the_batch_is_drawn():
    def draw(index: int) -> np.ndarray:
        return training_picture(IMAGE, WEAK_MAP, targets((4, 4, 20, 20)), None, view(), index)

    empty = training_picture(IMAGE, WEAK_MAP, targets(), None, view(), index=0)
    np.testing.assert_array_equal(draw(0), empty)
    assert (draw(1) != empty).any()


def test_without_refinement_its_panels_are_blank():
    labels = targets((4, 4, 20, 20))
    with_it = training_picture(IMAGE, WEAK_MAP, labels, labels, view(), index=1)
    without = training_picture(IMAGE, WEAK_MAP, labels, None, view(), index=1)
    assert without.shape == with_it.shape
    height, width = without.shape[0] // 3, without.shape[1] // 4
    assert (without[height + 10 : 2 * height - 10, width + 10 :] == 255).all()


def test_drawing_leaves_the_tensors_alone():
    image, labels, outputs = IMAGE.clone(), targets((4, 4, 20, 20)), view()
    before = [t.clone() for t in (image, labels.offset, outputs.offset, outputs.center)]
    training_picture(image, WEAK_MAP, labels, labels, outputs, index=1)
    after = [image, labels.offset, outputs.offset, outputs.center]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_not_a_number_in_the_outputs_does_not_stop_the_drawing():
    outputs = view()
    outputs.center[:] = outputs.offset[:] = float("nan")
    training_picture(IMAGE, WEAK_MAP, targets(), None, outputs)
