"""Parity of the refiner's pure modules with the refine_* families (networks: test_refiner)."""

import numpy as np
import pytest
import torch
from PIL import Image

from bestie.methods.pointwssis.crops import (
    crop_images,
    crop_masks,
    gaussian_maps,
    loose_crops,
    paste_windows,
    point_planes,
    points_in_crops,
)
from bestie.methods.pointwssis.pairing import nearest_instances
from bestie.methods.solo.grids import mask_boxes, mask_centers
from tests.conftest import reference_cases
from tests.methods.reference_arrays import masks_of_windows, unpack_masks

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
YXYX = [1, 0, 3, 2]  # the reference's boxes are x0, y0, x1, y1


def normalized(image):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - mean) / std


def drawn_at(points, size, sigma):
    """Gaussians and their planes as the reference stores them: the channel is -1 for none."""
    inside = ((points >= 0) & (points < size)).all(dim=1)
    return gaussian_maps(points, size, sigma), inside


@pytest.mark.parametrize("case", reference_cases("refine_input"))
def test_refiner_input(case):
    data, parameters = case.load()
    shape, size = (parameters["height"], parameters["width"]), parameters["size"]
    masks = unpack_masks(data["in_mask_bits"], *shape)
    points = torch.from_numpy(data["in_points"]) / 10000 * torch.tensor(shape)
    crops = loose_crops(mask_boxes(masks)[1], points, parameters["box_scale"], shape)
    np.testing.assert_array_equal(crops, data["out_crop"][:, YXYX])
    index = torch.zeros(len(masks), dtype=torch.int64)
    images = crop_images(normalized(data["in_image"])[None], index, crops, size)
    np.testing.assert_allclose(images, data["out_image"], rtol=0, atol=1e-5)
    expected = unpack_masks(data["out_mask_bits"], size, size)
    np.testing.assert_array_equal(crop_masks(masks, crops, size), expected)
    points = points_in_crops(points, crops, size)
    maps, inside = drawn_at(points, size, parameters["sigma"])
    np.testing.assert_allclose(maps, data["out_point_map"], rtol=0, atol=1e-6)
    classes = torch.from_numpy(data["in_classes"]).long()
    np.testing.assert_array_equal(torch.where(inside, classes + 1, -1), data["out_point_channel"])
    planes = point_planes(maps, classes, parameters["num_classes"])
    np.testing.assert_array_equal(planes.sum(1), maps)
    np.testing.assert_array_equal(planes[torch.arange(len(maps)), classes + 1], maps)


@pytest.mark.parametrize("case", reference_cases("refine_paste"))
def test_paste_back(case):
    data, parameters = case.load()
    shape = (parameters["height"], parameters["width"])
    rough = unpack_masks(data["in_rough_bits"], *shape)
    crops = torch.from_numpy(data["in_crop"][:, YXYX]).long()
    windows = paste_windows(torch.from_numpy(data["in_logits"]).float(), crops, shape, shape)
    masks = torch.from_numpy(masks_of_windows(windows, shape))
    kept = torch.from_numpy(data["in_skipped"]).bool() | ~masks.flatten(1).any(1)
    masks = torch.where(kept[:, None, None], rough, masks)
    expected = unpack_masks(data["out_mask_bits"], *shape)
    differing = int((masks != expected).sum())
    assert differing <= parameters["pixels_with_close_probabilities"]
    if not differing:
        np.testing.assert_array_equal(masks.sum(dim=(1, 2)), data["out_area"])
        boxes = mask_boxes(masks)[1][:, [1, 0, 3, 2]]
        boxes[:, 2:] -= boxes[:, :2]  # the reference's widths: last - first
        np.testing.assert_array_equal(boxes, data["out_box"])


def official_resize(array, parameters, resample):
    """PIL resize of the short side to S x scale, sizes truncated twice, then the middle S x S."""
    size = parameters["size"]
    height, width = array.shape[:2]
    shorter = min(height, width)
    sides = [int(side * size / shorter) for side in (width, height)]
    sides = [int(side * parameters["resize_scale"]) for side in sides]
    resized = np.array(Image.fromarray(array).resize(sides, resample))
    return middle(resized, size)


def middle(array, size):
    """torchvision's CenterCrop: zero padding where the side is too short."""
    missing = [max(size - side, 0) for side in array.shape[:2]]
    before = [pad // 2 for pad in missing]
    after = [(pad + 1) // 2 for pad in missing]
    padding = [*zip(before, after, strict=True), (0, 0)][: array.ndim]
    array = np.pad(array, padding)
    top, left = (int(round((side - size) / 2)) for side in array.shape[:2])
    return array[top : top + size, left : left + size]


@pytest.mark.parametrize("case", reference_cases("refine_sample"))
def test_training_sample(case):
    data, parameters = case.load()
    shape, size = (parameters["height"], parameters["width"]), parameters["size"]
    rough, truth = (unpack_masks(data[f"in_{name}_bits"], *shape) for name in ("rough", "mask"))
    crops = loose_crops(
        mask_boxes(rough)[1], mask_centers(truth)[1], parameters["box_scale"], shape
    )
    y0, x0, y1, x1 = crops[0].tolist()  # here without the last row and column
    image = official_resize(data["in_image"][y0:y1, x0:x1], parameters, Image.BILINEAR)
    masks = [
        official_resize(mask[0, y0:y1, x0:x1].byte().numpy(), parameters, Image.NEAREST)
        for mask in (rough, truth)
    ]
    if parameters["flip"]:
        image, masks = image[:, ::-1], [mask[:, ::-1] for mask in masks]
    # The reference multiplies the masks by the class number: nothing is left of class 0.
    masks = torch.from_numpy(np.array(masks)).bool() & (parameters["class_id"] > 0)
    np.testing.assert_allclose(normalized(image), data["out_image"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(masks[:1], unpack_masks(data["out_rough_bits"], size, size))
    np.testing.assert_array_equal(masks[1:], unpack_masks(data["out_target_bits"], size, size))
    areas, centers = mask_centers(masks[1:])
    points = torch.where(areas[:, None] > 0, centers.floor().long(), -1)
    maps, inside = drawn_at(points, size, parameters["sigma"])
    np.testing.assert_allclose(maps[0], data["out_point_map"], rtol=0, atol=1e-6)
    # The reference's channel of a training sample is the class, at inference class + 1.
    assert int(data["out_point_channel"]) == (parameters["class_id"] if inside[0] else -1)


@pytest.mark.parametrize("case", reference_cases("refine_matching"))
def test_pairing(case):
    data, parameters = case.load()
    size = (parameters["height"], parameters["width"])
    centers = mask_centers(unpack_masks(data["in_mask_bits"], *size))[1]
    points = torch.from_numpy(data["in_points"]).double() / 10000 * torch.tensor(size)
    names = ("in_point_classes", "in_point_image")
    classes, images = (torch.from_numpy(data[name]).long() for name in names)
    names = ("in_mask_classes", "in_mask_image")
    true_classes, true_images = (torch.from_numpy(data[name]).long() for name in names)
    found = nearest_instances(points, classes, images, centers, true_classes, true_images)
    paired = (found >= 0).nonzero().squeeze(1)
    np.testing.assert_array_equal(torch.stack([paired, found[paired]], 1), data["out_pair"])
