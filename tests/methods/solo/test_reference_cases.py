"""Parity of SOLO's pure modules with the families solo_targets and solo_nms."""

import numpy as np
import pytest
import torch

from bestie.methods.solo.grids import (
    Positives,
    assign_cells,
    cells_of_points,
    class_targets,
    mask_centers,
    quarter_masks,
)
from bestie.methods.solo.suppression import greedy_nms, matrix_nms, overlaps
from tests.conftest import reference_cases
from tests.methods.reference_arrays import official_quarter, unpack_masks


def sizes_of(boxes, areas):
    """(N, 2) heights and widths of boxes x0, y0, x1, y1; 0 for empty masks, which are ignored."""
    sizes = torch.from_numpy(np.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], 1))
    return torch.where(areas[:, None] > 0, sizes, 0)


def cells_of_case(data, parameters):
    """Instances' masks, and for every level the (instance, cell) pairs of the library."""
    masks = unpack_masks(data["in_mask_bits"], parameters["height"], parameters["width"])
    areas, centers = mask_centers(masks)
    padded, grids = tuple(parameters["padded"]), parameters["grids"]
    if parameters["kind"] == "point":
        on = areas.nonzero().squeeze(1)
        cells = cells_of_points(centers[on], padded, grids)
        return masks, [
            Positives(on, cells[:, level, 0] * side + cells[:, level, 1])
            for level, side in enumerate(grids)
        ]
    sizes = sizes_of(data["in_boxes"], areas)
    positives = assign_cells(
        centers, sizes, padded, grids, parameters["ranges"], parameters["sigma"]
    )
    first = np.cumsum([0, *np.square(grids)])
    of_level = [
        (positives.cells >= begin) & (positives.cells < end)
        for begin, end in zip(first[:-1], first[1:], strict=True)
    ]
    return masks, [
        Positives(positives.instances[on], positives.cells[on] - begin)
        for on, begin in zip(of_level, first, strict=False)
    ]


def last_owner(pairs, number, side):
    """(side, side) instance that owns each cell, ``number`` for none."""
    images = torch.zeros(number, dtype=torch.int64)
    return class_targets(pairs, images, torch.arange(number), 1, side**2, number).view(side, side)


def encoded(centers, size):
    """Points as the reference stores them: fractions cut to four digits."""
    return (10000 * (centers / torch.tensor(size, dtype=torch.float64))).floor()


@pytest.mark.parametrize("case", reference_cases("solo_targets"))
def test_targets(case):
    data, parameters = case.load()
    masks, levels = cells_of_case(data, parameters)
    feature, size = parameters["feature"], (parameters["height"], parameters["width"])
    if any(side % 4 for side in size):
        quarter = [official_quarter(mask, feature) for mask in masks.numpy()]
    else:
        padding = [0, feature[1] * 4 - size[1], 0, feature[0] * 4 - size[0]]
        quarter = quarter_masks(torch.nn.functional.pad(masks, padding)).numpy()
    classes = np.append(data["in_classes"], parameters["num_classes"])
    for level, pairs in enumerate(levels):
        np.testing.assert_array_equal(pairs.cells.numpy(), data[f"out_cell_{level}"])
        owner = last_owner(pairs, len(masks), parameters["grids"][level])
        np.testing.assert_array_equal(classes[owner.numpy()], data[f"out_class_{level}"])
        expected = unpack_masks(data[f"out_mask_bits_{level}"], *feature).numpy()
        found = np.asarray(quarter).reshape(-1, *feature)[pairs.instances.numpy()]
        np.testing.assert_array_equal(found, expected)
        if parameters["kind"] == "point":
            nowhere = torch.zeros(1, 2, dtype=torch.float64)
            centers = torch.cat([mask_centers(masks)[1], nowhere])[owner]
            for name, whole in (("padded", parameters["padded"]), ("image", size)):
                expected = data[f"out_point_{name}_{level}"]
                np.testing.assert_array_equal(encoded(centers, whole), expected)


@pytest.mark.parametrize("case", reference_cases("solo_nms"))
def test_suppression(case):
    data, parameters = case.load()
    masks = unpack_masks(data["in_mask_bits"], parameters["height"], parameters["width"])
    iou = overlaps(masks, torch.from_numpy(data["in_classes"]))
    scores = torch.from_numpy(data["in_scores"])
    np.testing.assert_array_equal(greedy_nms(iou, 0.5), data["out_keep"].astype(bool))
    for name, kernel, sigma in (
        ("out_gaussian", "gaussian", 2.0),
        ("out_gaussian_sigma_0.5", "gaussian", 0.5),
        ("out_linear", "linear", 2.0),
    ):
        expected = np.nan_to_num(data[name], nan=0.0)  # 0 / 0 of a third equal mask is 0 here
        np.testing.assert_allclose(matrix_nms(iou, scores, kernel, sigma), expected, atol=1e-6)
