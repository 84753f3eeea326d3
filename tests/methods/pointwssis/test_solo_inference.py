"""Parity of plain and prompted inference with the family solo_inference."""

from functools import reduce

import numpy as np
import pytest
import torch

from bestie.methods.pointwssis.prompts import (
    candidates_of_cells,
    candidates_of_points,
)
from bestie.methods.solo.grids import assign_cells, cells_of_points, mask_centers
from bestie.methods.solo.inference import (
    Candidates,
    HeadOutputs,
    RankSettings,
    plain_candidates,
    rank,
)
from bestie.methods.solo.windows import mask_windows
from tests.conftest import reference_cases
from tests.methods.reference_arrays import masks_of_windows, unpack_masks


def as_float(array):
    return torch.from_numpy(array.astype(np.float32))


def outputs_of(data, parameters):
    levels = range(len(parameters["grids"]))
    kernels = [as_float(data[f"in_kernel_{level}"]).flatten(1).T for level in levels]
    logits = [as_float(data[f"in_class_{level}"]) for level in levels]
    return HeadOutputs(logits, torch.cat(kernels), as_float(data["in_feature"]))


def settings_of(parameters):
    return RankSettings(
        strides=parameters["strides"],
        mask_thresh=parameters["mask_threshold"],
        top_k=parameters["max_before_nms"],
        nms=parameters["nms"],
        nms_kernel=parameters["nms_kernel"],
        nms_sigma=parameters["nms_sigma"],
        update_thresh=parameters["update_threshold"],
        max_instances=parameters["max_per_image"],
    )


def encoded(points, size):
    """The reference's form of a point: a fraction cut to four digits, as an integer."""
    return (10000 * (points.double() / torch.tensor(size, dtype=torch.float64))).floor().long()


def surviving(points, classes, cells):
    """The reference lets a later point overwrite an earlier one in its cell: what is left.

    Returns the (class, encoded point) pairs, and for every level cell -> point in it.
    """
    held = [
        {tuple(cell): index for index, cell in enumerate(of_level.tolist())}
        for of_level in cells.transpose(0, 1)
    ]
    left = reduce(set.union, (set(of_level.values()) for of_level in held), set())
    unique = {(int(classes[i]), *points[i].tolist()) for i in left}
    return torch.tensor(sorted(unique), dtype=torch.int64).view(-1, 3), held


def candidates_of(data, parameters, outputs):
    """Candidates, and the encoded point that the reference records with each (None for none)."""
    padded = tuple(parameters["padded"])
    if parameters["prompt"] == "none":
        return plain_candidates(outputs.class_logits, parameters["score_threshold"]), None
    points, classes = as_float(data["in_points"]), torch.from_numpy(data["in_point_classes"]).long()
    of_image = encoded(points, parameters["size"])
    if parameters["prompt"] == "point_with_size":
        areas, centers = mask_centers(unpack_masks(data["in_mask_bits"], *parameters["size"]))
        boxes = data["in_boxes"]
        sizes = torch.from_numpy(boxes[:, [3, 2]] - boxes[:, [1, 0]])
        positives = assign_cells(
            centers, sizes, padded, outputs.grids, parameters["ranges"], parameters["sigma"]
        )
        # The reference gives a cell that objects share to the last one, whatever their classes.
        candidates, objects = candidates_of_cells(positives, torch.zeros_like(classes))
        candidates = candidates._replace(classes=classes[objects])
        return candidates, of_image[objects]
    left, held = surviving(
        encoded(points, padded), classes, cells_of_points(points, padded, outputs.grids)
    )
    truncated = left[:, 1:] / 10000 * torch.tensor(padded)
    found = candidates_of_points(truncated, left[:, 0], outputs, padded)
    cells = cells_of_points(truncated, padded, outputs.grids)[found.points, found.levels]
    # Points of one class in one cell are one candidate of the reference.
    rows = torch.cat([found.levels[:, None], cells, found.candidates.classes[:, None]], dim=1)
    rows, place = torch.unique(rows, dim=0, return_inverse=True)
    first = torch.full((len(rows),), len(place)).scatter_reduce_(
        0, place, torch.arange(len(place)), "amin"
    )
    np.testing.assert_array_equal(rows, data["out_cell"])
    owner = [held[level].get((row, column), -1) for level, row, column, _ in rows.tolist()]
    recorded = torch.cat([of_image, of_image.new_zeros(1, 2)])[owner]
    return Candidates(*(tensor[first] for tensor in found.candidates)), recorded


def assert_same_instances(found, expected, pixels):
    """Match by class and mask; masks may differ in ``pixels`` of the case."""
    classes, scores, masks = found
    assert len(classes) == len(expected[0])
    free, spent = set(range(len(classes))), 0
    for label, score, mask in zip(*expected, strict=True):
        near = [i for i in free if classes[i] == label and abs(scores[i] - score) <= 1e-5]
        differing = {i: int((masks[i] != mask).sum()) for i in near}
        best = min(differing, key=differing.get)
        free.remove(best)
        spent += differing[best]
    assert spent <= pixels


@pytest.mark.parametrize("case", reference_cases("solo_inference"))
def test_inference(case):
    data, parameters = case.load()
    outputs, settings = outputs_of(data, parameters), settings_of(parameters)
    candidates, recorded = candidates_of(data, parameters, outputs)
    assert len(candidates.cells) == parameters["candidates"] or parameters["prompt"] == "none"
    ranked = rank(candidates, outputs, settings)
    kernels = outputs.kernels[candidates.cells[ranked.index]]
    masks = masks_of_windows(
        mask_windows(kernels, outputs.features, parameters["size"], parameters["original"]),
        parameters["original"],
    )
    scores = ranked.scores.numpy()
    if parameters["eval_pseudo_label"]:
        scores = np.ones_like(scores)
    assert_same_instances(
        (candidates.classes[ranked.index].numpy(), scores, masks),
        (
            data["out_class"],
            data["out_score"],
            unpack_masks(data["out_mask_bits"], *parameters["original"]).numpy(),
        ),
        parameters["pixels_within_1e_5_of_the_threshold"],
    )
    if recorded is not None:
        order = np.lexsort(data["out_point"].T)
        points = recorded[ranked.index].numpy()
        np.testing.assert_array_equal(points[np.lexsort(points.T)], data["out_point"][order])
