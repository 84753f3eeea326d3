"""Parity of SOLO's heads and losses with the families solo_heads and solo_losses."""

import re

import numpy as np
import pytest
import torch

from bestie.methods.solo.grids import assign_cells, class_targets, mask_centers, quarter_masks
from bestie.methods.solo.heads import GridHead, MaskBranch
from bestie.methods.solo.losses import class_loss, mask_loss
from tests.conftest import reference_cases
from tests.methods.reference_arrays import official_quarter, unpack_masks
from tests.methods.test_reference_networks import assert_close, rebuild_weights

NAMES = [
    (r"cate_tower", "class_tower"),
    (r"cate_pred", "class_predictor"),
    (r"kernel_pred\.", "kernel_predictor."),
    (r"convs_all_levels\.0\.conv0\.", "levels.0.0."),
    (r"convs_all_levels\.(\d)\.conv(\d)\.", lambda m: f"levels.{m[1]}.{2 * int(m[2])}."),
    (r"conv_pred\.", "predictor."),
]


def part_of(weights, prefix):
    """The weights of one official head under the names of ours."""
    part = {}
    for name, value in weights.items():
        if name.startswith(prefix):
            for pattern, replacement in NAMES:
                name = re.sub(pattern, replacement, name)
            part[name.removeprefix(prefix)] = value
    return part


@pytest.mark.parametrize("case", reference_cases("solo_heads"))
@torch.no_grad()
def test_heads(case):
    data, parameters = case.load()
    weights = rebuild_weights(parameters)
    grid_head = GridHead(
        parameters["in_channels"],
        num_classes=parameters["num_classes"],
        grids=parameters["grids"],
        channels=parameters["tower_channels"],
        num_convs=parameters["convs"],
        kernel_channels=parameters["kernels"],
    )
    grid_head.load_state_dict(part_of(weights, "ins_head."))
    branch = MaskBranch(
        parameters["in_channels"],
        channels=parameters["mask_channels"],
        out_channels=parameters["kernels"],
    )
    branch.load_state_dict(part_of(weights, "mask_head."))
    pyramid = [torch.from_numpy(data[f"in_p{level}"]).float() for level in range(2, 7)]
    class_logits, kernels = grid_head(pyramid)
    for level in range(5):
        assert_close(class_logits[level], data[f"out_class_{level}"])
        assert_close(kernels[level], data[f"out_kernel_{level}"])
    assert_close(branch(pyramid[:4]), data["out_feature"])


def targets_of(data, parameters):
    """Pairs (images, cells), quarter masks of each pair, and classes of the cells."""
    height, width = parameters["padded"]
    masks, boxes, classes, images = [], [], [], []
    for image in range(parameters["images"]):
        found = unpack_masks(data[f"in_mask_bits_{image}"], *parameters["size"])
        padding = [0, width - found.shape[2], 0, height - found.shape[1]]
        masks.append(torch.nn.functional.pad(found, padding))
        boxes.append(data[f"in_boxes_{image}"])
        classes.append(torch.from_numpy(data[f"in_classes_{image}"]).long())
        images.append(torch.full((len(found),), image))
    masks, classes, images = torch.cat(masks), torch.cat(classes), torch.cat(images)
    boxes = np.concatenate(boxes)
    areas, centers = mask_centers(masks)
    sizes = torch.from_numpy(boxes[:, [3, 2]] - boxes[:, [1, 0]]) * (areas > 0)[:, None]
    grids = parameters["grids"]
    positives = assign_cells(
        centers, sizes, (height, width), grids, parameters["ranges"], parameters["sigma"]
    )
    of_cells = class_targets(
        positives,
        images,
        classes,
        parameters["images"],
        int(np.square(grids).sum()),
        parameters["num_classes"],
    )
    pairs = (images[positives.instances], positives.cells)
    if any(side % 4 for side in parameters["size"]):
        rows, columns = parameters["size"]
        feature = (height // 4, width // 4)
        cut = masks[:, :rows, :columns].numpy()
        quarter = torch.from_numpy(np.stack([official_quarter(mask, feature) for mask in cut]))
    else:
        quarter = quarter_masks(masks)
    return pairs, quarter[positives.instances], of_cells


def flat_levels(maps):
    return torch.cat([level.flatten(2) for level in maps], dim=2).transpose(1, 2)


@pytest.mark.parametrize("case", reference_cases("solo_losses"))
def test_losses(case):
    data, parameters = case.load()

    def leaf(name):
        return torch.from_numpy(data[name].astype(np.float32)).requires_grad_()

    levels = range(len(parameters["grids"]))
    feature = leaf("in_feature")
    kernels = [leaf(f"in_kernel_{level}") for level in levels]
    logits = [leaf(f"in_class_{level}") for level in levels]
    pairs, masks, of_cells = targets_of(data, parameters)
    of_masks = parameters["mask_weight"] * mask_loss(flat_levels(kernels), feature, *pairs, masks)
    of_classes = parameters["class_weight"] * class_loss(
        logits, of_cells, parameters["alpha"], parameters["gamma"]
    )
    np.testing.assert_allclose(of_masks.item(), data["out_loss_mask"], rtol=1e-5)
    np.testing.assert_allclose(of_classes.item(), data["out_loss_class"], rtol=1e-5)
    (of_masks + of_classes).backward()
    np.testing.assert_allclose(feature.grad, data["out_grad_feature"], rtol=0, atol=1e-6)
    for level in levels:
        grads = (kernels[level].grad, logits[level].grad)
        for found, name, tolerance in zip(grads, ("kernel", "class"), (1e-5, 1e-6), strict=True):
            expected = data[f"out_grad_{name}_{level}"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
