"""The naive version: cases by hand, and the batched code against it over random scenes."""

import os

import numpy as np
import pytest
import torch

from bestie.methods.bestie import reference
from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.refinement import RefineSettings, refine_labels
from tests.methods.bestie.regions_of_maps import regions_of_maps
from tests.methods.bestie.scenes import random_scene

# A sample; BESTIE_ORACLE_SCENES=2000 goes through thousands.
SCENES = int(os.environ.get("BESTIE_ORACLE_SCENES", "18"))
SETTINGS = [
    {"cluster": ClusterSettings(), "kernel": 41},
    {"cluster": ClusterSettings(beta=15, min_distance=12), "kernel": 9},
    {"cluster": None, "kernel": 1},
]


def compare_refinement(seeds, cluster, kernel):
    scenes = [random_scene(seed) for seed in seeds]
    maps, tags = zip(*[(scene["semantic_map"], scene["labels"]) for scene in scenes], strict=True)
    regions = regions_of_maps(maps, tags, min_area=20)
    stacked = {
        name: torch.from_numpy(np.stack([scene[name] for scene in scenes]))
        for name in ("logits", "center", "offset")
    }
    targets = refine_labels(
        stacked["logits"].log_softmax(1),
        stacked["center"],
        stacked["offset"],
        regions,
        torch.arange(len(scenes[0]["center"])).expand(len(scenes), -1),
        RefineSettings(center_thresh=0.3, kernel=kernel, max_instances=3),
        sigma=2.0,
        cluster=cluster,
    )
    for index, scene in enumerate(scenes):
        center, offset, weight = reference.refine(
            scene["logits"],
            scene["center"],
            scene["offset"],
            scene["semantic_map"],
            scene["labels"],
            threshold=0.3,
            kernel=kernel,
            max_instances=3,
            sigma=2.0,
            min_area=20,
            cluster=cluster,
        )
        np.testing.assert_allclose(targets.weight[index, 0].numpy(), weight, atol=1e-5)
        np.testing.assert_array_equal(targets.offset[index].numpy(), offset)
        np.testing.assert_allclose(targets.center[index].numpy(), center, atol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_refinement_equals_the_naive_version(settings):
    for start in range(0, SCENES, 3):
        compare_refinement(range(start, start + 3), **settings)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("keep_centerless", [True, False])
def test_grouping_equals_the_naive_version(settings, keep_centerless):
    for seed in range(SCENES):
        scene = random_scene(seed)
        probability = torch.from_numpy(scene["logits"]).softmax(0)
        options = {
            "threshold": 0.1,
            "min_area": 20,
            "keep_centerless": keep_centerless,
            **settings,
        }
        found = group_pixels(
            probability,
            torch.from_numpy(scene["center"]),
            torch.from_numpy(scene["offset"]),
            **options,
        )
        expected = reference.group(probability.numpy(), scene["center"], scene["offset"], **options)
        instance_map = found.instance_map.numpy()
        assert len(expected) == len(found.classes) == instance_map.max(initial=0)
        for class_id, score, mask in expected:
            index = instance_map[mask][0] - 1
            np.testing.assert_array_equal(instance_map == index + 1, mask)
            assert int(found.classes[index]) == class_id
            assert float(found.scores[index]) == pytest.approx(score, abs=1e-5)


def test_equal_maxima_of_a_window_all_count():
    value = np.array([[0.1, 0.5, 0.5, 0.2, 0.9, 0.4]])
    assert reference.local_maxima(value, 0.3, 3) == [(0, 1), (0, 2), (0, 4)]
    assert reference.local_maxima(value, 0.3, 1) == [(0, 1), (0, 2), (0, 4), (0, 5)]
    assert reference.local_maxima(value, 0.9, 3) == []  # above the threshold, not at it


def test_components_touch_at_corners_and_have_an_area():
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
    (component,) = reference.components_of(mask, 2)
    np.testing.assert_array_equal(np.argwhere(component), [[0, 0], [1, 1]])
    assert len(reference.components_of(mask, 1)) == 2


def test_pixels_go_to_the_center_that_they_point_at_and_to_the_first_of_two():
    mask = np.array([[True, True, True, False]])
    offset = np.zeros((2, 1, 4), np.float32)
    offset[1, 0, 0] = 2  # pixel 0 points at pixel 2
    found = reference.assign(mask, offset, [(0, 0), (0, 2)])
    assert found.tolist() == [[2, 1, 2, 0]]


def test_gaussians_are_cut_and_never_lower_what_is_there():
    plane = np.zeros((1, 12), np.float32)
    plane[0, 3] = 0.9
    reference.draw_gaussian(plane, 0, 2, sigma=1.0)
    assert plane[0, 2] == 1 and plane[0, 3] == np.float32(0.9)
    assert plane[0, 1] == pytest.approx(np.exp(-0.5))
    assert plane[0, 6] > 0 and not plane[0, 7:].any()  # 3 sigma + 1


def test_centers_that_are_invalid_or_outside_draw_nothing():
    one = np.array([0])
    for yx, valid in (([[0, 9]], [True]), ([[0, -1]], [True]), ([[0, 1]], [False])):
        assert not reference.draw_heatmap(one, one, np.array(yx), valid, (1, 1, 1, 4), 1.0).any()
    drawn = reference.draw_heatmap(one, one + 1, np.array([[0, 1]]), [True], (1, 2, 1, 4), 1.0)
    assert drawn[0, 1, 0, 1] == 1 and not drawn[0, 0].any()


def one_object():
    """A square of 5 x 5 of class 0 with its maximum at (3, 3), whose pixels point at it."""
    mask = np.zeros((8, 8), bool)
    mask[1:6, 1:6] = True
    center = np.zeros((1, 8, 8), np.float32)
    center[0, 3, 3] = 0.8
    y, x = np.mgrid[:8, :8]
    offset = np.stack([3 - y, 3 - x]).astype(np.float32)
    return mask, center, offset


def test_a_blob_of_short_offsets_is_a_center_unless_a_maximum_is_near():
    mask, center, offset = one_object()
    center[0, 3, 3] = 0.2  # no local maximum above the threshold, but enough for a blob
    cluster = ClusterSettings(offset_thresh=1.2, area=5, beta=1, center_thresh=0.1, min_distance=4)
    centers, value = reference.centers_of_component(mask, center[0], offset, 0.3, 3, cluster)
    assert centers == [(3, 3)] and value[3, 3] == 1
    center[0, 3, 4] = 0.8
    centers, _ = reference.centers_of_component(mask, center[0], offset, 0.3, 3, cluster)
    assert centers == [(3, 4)]


def test_one_object_is_grouped_with_class_score_times_its_maximum():
    mask, center, offset = one_object()
    probability = np.stack([np.where(mask, 0.25, 1.0), np.where(mask, 0.75, 0.0)])
    options = {"threshold": 0.1, "kernel": 3, "min_area": 9, "cluster": None}
    ((class_id, score, found),) = reference.group(
        probability, center, offset, **options, keep_centerless=True
    )
    assert class_id == 0 and score == pytest.approx(0.75 * 0.8)
    np.testing.assert_array_equal(found, mask)
    assert reference.group(probability, 0 * center, offset, **options, keep_centerless=False) == []
    ((_, score, _),) = reference.group(
        probability, 0 * center, offset, **options, keep_centerless=True
    )
    assert score == 0


@pytest.mark.parametrize(("most", "refined"), [(1, True), (0, False)])
def test_refined_targets_of_one_object(most, refined):
    mask, center, offset = one_object()
    logits = np.zeros((2, 8, 8), np.float32)  # both classes equally likely
    out_center, out_offset, out_weight = reference.refine(
        logits,
        center,
        0 * offset,
        mask.astype(np.uint8),
        [0],
        threshold=0.3,
        kernel=3,
        max_instances=most,
        sigma=1.0,
        min_area=9,
        cluster=None,
    )
    np.testing.assert_allclose(out_weight, np.where(mask & refined, 0.8 * 0.5, 0), atol=1e-6)
    np.testing.assert_array_equal(out_offset, np.where(mask & refined, offset, 0))
    assert out_center[0, 3, 3] == refined
