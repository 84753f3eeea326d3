"""The batched code against the naive version, over random scenes, ties and empty inputs
included."""

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
