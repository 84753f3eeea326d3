"""Parity with the reference cases: every case found in BESTIE_REFERENCE_CASES (see
tests/conftest.py).

Each family has one adaptor from the stored arrays to the library's functions. Where the reference
has a plain slip, the adaptor reproduces it in a line and says so.
"""

import numpy as np
import pytest
import torch

from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.grouping import group_pixels, group_pixels_by_points
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.methods.bestie.refinement import (
    RefineSettings,
    refine_labels,
    refine_labels_with_points,
)
from bestie.methods.bestie.targets import InstanceTargets
from bestie.regions import PointSet, find_components
from tests.conftest import reference_cases
from tests.methods.bestie.regions_of_maps import regions_of_maps
from tests.methods.bestie.tiny_targets import all_tags, heatmap_of


@pytest.mark.parametrize("case", reference_cases("pseudo_labels"))
def test_pseudo_labels(case):
    data, parameters = case.load()
    labels = np.flatnonzero(data["in_cls_label"])
    components = find_components(data["in_seg_map"], labels)
    points_yx = data["in_points"][:, [1, 0]]
    point_classes = data["in_points"][:, 2]
    accepted = accept_components(components, points_yx, point_classes)
    shape = (1, len(data["in_cls_label"]), *data["in_seg_map"].shape)
    if parameters["sup"] == "cls":
        centers, classes = components.centroids[accepted], components.classes[accepted]
    else:
        tagged = np.isin(point_classes, labels)
        centers, classes = points_yx[tagged], point_classes[tagged]
    drawn = PointSet(
        yx=torch.from_numpy(centers).long(),
        images=torch.zeros(len(centers), dtype=torch.int64),
        classes=torch.from_numpy(classes).long(),
    )
    targets = InstanceTargets(
        pixel_owner=torch.from_numpy(components.map).long().unsqueeze(0) - 1,
        centers=torch.from_numpy(components.centroids),
        confidence=torch.from_numpy(accepted).float(),
        heatmap=heatmap_of(drawn, shape, parameters["sigma"]),
        pixels=torch.from_numpy(np.flatnonzero(components.map)),
    )
    expected = np.zeros(shape[1:], np.float32)
    expected[data["out_center_classes"]] = data["out_center"]
    np.testing.assert_array_equal(targets.offset[0].numpy(), data["out_offset"])
    np.testing.assert_array_equal(targets.weight[0].numpy(), data["out_weight"])
    np.testing.assert_allclose(targets.center[0].numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", reference_cases("refined_labels_image"))
def test_refined_labels_of_tags(case):
    data, parameters = case.load()
    logits = torch.from_numpy(data["in_seg"].astype(np.float32))
    center = torch.from_numpy(data["in_center"].astype(np.float32))
    targets = refine_labels(
        logits.log_softmax(1),
        center,
        torch.from_numpy(data["in_offset"].astype(np.float32)),
        regions_of_maps(data["in_gt_seg_map"], map(np.flatnonzero, data["in_label"])),
        all_tags(center.shape),
        RefineSettings(
            center_thresh=parameters.get("refine_thresh", 0.3), kernel=parameters.get("kernel", 41)
        ),
        sigma=parameters.get("sigma", 6),
        cluster=ClusterSettings(beta=parameters.get("beta", 3.0)),
    )
    expected = np.zeros(center.shape, np.float32)
    expected[tuple(data["out_center_index"].T)] = data["out_center"]
    weight = targets.weight.numpy()
    np.testing.assert_array_equal(targets.offset.numpy(), data["out_offset"])
    np.testing.assert_array_equal(weight > 0, data["out_weight"] > 0)
    np.testing.assert_allclose(weight, data["out_weight"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(targets.center.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", reference_cases("refined_labels_point"))
def test_refined_labels_of_clicks(case):
    data, _ = case.load()
    points = torch.from_numpy(data["in_points"]).long()
    points = points[
        (points[:, 2] != 0) & (points[:, 3] != 0)
    ]  # the reference takes these as padding
    clicks = PointSet(yx=points[:, 2:], images=points[:, 0], classes=points[:, 1])
    labels = torch.from_numpy(data["in_label"]).bool()
    semantic_map = torch.from_numpy(data["in_gt_seg_map"])
    targets = refine_labels_with_points(
        torch.from_numpy(data["in_offset"].astype(np.float32)),
        semantic_map,
        labels,
        clicks,
        heatmap_of(clicks, (*labels.shape, *semantic_map.shape[1:]), 6.0),
    )
    np.testing.assert_array_equal(targets.offset.numpy(), data["out_offset"])
    np.testing.assert_array_equal(targets.weight.numpy(), data["out_weight"])


def group_case(data, parameters):
    """Averaging and cleaning of one grouping case, then the library's grouping."""
    logits = torch.from_numpy(data["in_seg"].astype(np.float32))
    offset = torch.from_numpy(data["in_offset"].astype(np.float32))[0]
    probability = logits.softmax(1)
    points_mode = parameters["mode"] == "points"
    center = None if points_mode else torch.from_numpy(data["in_center"].astype(np.float32))
    if parameters.get("val_flip"):
        probability = (probability[:1] + probability[1:].flip(3)) / 2
        center = center if center is None else (center[:1] + center[1:].flip(3)) / 2
    probability = probability[0]
    if parameters.get("val_clean") or points_mode:
        probability[1:] *= torch.from_numpy(data["in_label"].astype(np.float32))[0].view(-1, 1, 1)
    class_map = probability.argmax(0)
    if points_mode:
        points = torch.from_numpy(data["in_points"].astype(np.float32))
        found = group_pixels_by_points(probability, offset, points[:, 1:], points[:, 0])
    else:
        found = group_pixels(
            probability,
            center[0],
            offset,
            threshold=parameters.get("val_thresh", 0.1),
            kernel=parameters.get("val_kernel", 41),
            cluster=ClusterSettings(beta=parameters.get("beta", 3.0)),
            keep_centerless=not parameters.get("val_ignore"),
        )
    return class_map, found


@pytest.mark.parametrize("case", reference_cases("grouping"))
def test_grouping(case):
    data, parameters = case.load()
    class_map, found = group_case(data, parameters)
    np.testing.assert_array_equal(class_map.numpy(), data["out_seg_map"])
    instance_map = found.instance_map.numpy()
    # The reference returns one dummy entry where nothing was found; the library returns nothing.
    expected = [
        (data["out_label"][i], data["out_score"][i], data["out_instance_map"] == i + 1)
        for i in range(len(data["out_label"]))
        if (data["out_instance_map"] == i + 1).any()
    ]
    assert len(found.classes) == len(expected)
    for label, score, mask in expected:
        index = instance_map[mask][0] - 1
        np.testing.assert_array_equal(instance_map == index + 1, mask)
        assert int(found.classes[index]) == label
        assert float(found.scores[index]) == pytest.approx(score, abs=1e-5)
