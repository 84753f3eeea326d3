"""The batched code against the naive version, over random scenes, ties and empty inputs
included."""

import os

import numpy as np
import pytest
import torch

from bestie.methods.bestie import centers, reference
from bestie.methods.bestie.centers import ClusterSettings, find_centers
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.refinement import refine_labels
from bestie.regions.components import find_components
from tests.methods.bestie.scenes import random_scene

# A sample; BESTIE_ORACLE_SCENES=2000 goes through thousands.
SCENES = int(os.environ.get("BESTIE_ORACLE_SCENES", "18"))
SETTINGS = [
    {"cluster": ClusterSettings(), "kernel": 41},
    {"cluster": ClusterSettings(beta=15, min_distance=12), "kernel": 9},
    {"cluster": None, "kernel": 1},
]


def batch_of(seeds):
    scenes = [random_scene(seed) for seed in seeds]
    maps, images, classes, centroids, total = [], [], [], [], 0
    for index, scene in enumerate(scenes):
        found = find_components(scene["semantic_map"], scene["labels"], 20)
        maps.append(np.where(found.map > 0, found.map + total, 0))
        images += [index] * len(found)
        classes.append(found.classes)
        centroids.append(found.centroids)
        total += len(found)
    regions = (
        torch.from_numpy(np.stack(maps)).long(),
        torch.tensor(images, dtype=torch.int64),
        torch.from_numpy(np.concatenate(classes)),
        torch.from_numpy(np.concatenate(centroids)),
    )
    return scenes, regions


def compare_refinement(seeds, cluster, kernel):
    scenes, regions = batch_of(seeds)
    stacked = {
        name: torch.from_numpy(np.stack([scene[name] for scene in scenes]))
        for name in ("logits", "center", "offset")
    }
    targets = refine_labels(
        stacked["logits"].log_softmax(1),
        stacked["center"],
        stacked["offset"],
        *regions,
        torch.arange(len(scenes[0]["center"])).expand(len(scenes), -1),
        threshold=0.3,
        kernel=kernel,
        max_instances=3,
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


def test_blobs_by_propagation_equal_those_of_opencv():
    rng = np.random.default_rng(0)
    for _ in range(40):
        mask = torch.from_numpy(rng.random((2, 24, 31)) < rng.choice([0.3, 0.6, 0.9]))
        region = torch.from_numpy(
            rng.integers(1, 3, (2, 6, 8)).repeat(4, 1).repeat(4, 2)[:, :, :31]
        )
        whole = centers._label_blobs_cpu(mask, region)
        small = centers._label_blobs_by_propagation(mask, region, 12)
        area = torch.bincount(whole.view(-1))[whole]
        np.testing.assert_array_equal(
            small[mask & (area <= 12)].numpy(), whole[mask & (area <= 12)].numpy()
        )
        # Larger blobs may be missing, or found: never with another extent.
        kept = small[mask & (small < mask.numel())]
        assert (
            torch.bincount(kept, minlength=mask.numel() + 1)[kept]
            == area[mask & (small < mask.numel())]
        ).all()


def test_centers_in_blocks_equal_those_in_one_go(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(2, 40, 40, generator=generator)
    offset = 4 * torch.randn(2, 2, 40, 40, generator=generator)
    region = torch.ones(2, 40, 40, dtype=torch.int64)
    region[1] = 2
    cluster = ClusterSettings(area=5, beta=5, min_distance=2)

    def find():
        return find_centers(value, offset, region, 2, threshold=0.1, kernel=5, cluster=cluster)

    whole, whole_value = find()
    monkeypatch.setattr(centers, "CANDIDATES_AT_ONCE", 7)
    monkeypatch.setattr(centers, "PAIRS_AT_ONCE", 50)
    parts, parts_value = find()
    assert torch.equal(parts.yx, whole.yx) and torch.equal(parts_value, whole_value)
    assert len(whole.yx) > 20 and (whole_value != value).any()
