import pytest
import torch

from bestie.benchmark.scenes import DENSITIES, simulate

SIZE = (64, 80)


def scenes(density="medium", classes=4, seed=0, batch=2):
    *count, coverage = DENSITIES[density]
    return simulate(tuple(count), coverage, SIZE, batch, classes, seed)


@pytest.mark.parametrize("density", DENSITIES)
def test_instances_and_shapes_are_those_asked_for(density):
    drawn = scenes(density, batch=3)
    low, high, _ = DENSITIES[density]
    assert 3 * low <= drawn.instances <= 3 * high
    assert drawn.logits.shape == (3, 5, *SIZE) and drawn.center.shape == (3, 4, *SIZE)
    assert drawn.offset.shape == (3, 2, *SIZE)
    assert all(m.dtype == torch.float32 for m in (drawn.logits, drawn.center, drawn.offset))


def test_the_seed_decides_and_other_classes_give_the_same_objects():
    one, same, other = scenes(), scenes(), scenes(seed=1)
    assert torch.equal(one.logits, same.logits) and torch.equal(one.offset, same.offset)
    assert not torch.equal(one.logits, other.logits)
    few, many = scenes(classes=20), scenes(classes=80)
    for a, b in zip(few.samples, many.samples, strict=True):
        assert torch.equal(a["semantic_map"], b["semantic_map"])
        assert torch.equal(a["component_centroids"], b["component_centroids"])


def test_offsets_point_to_the_centers():
    drawn = scenes("light", batch=1)
    y, x = drawn.samples[0]["points"][0].long()
    assert drawn.offset[0, :, y, x].abs().max() < 12  # noise of standard deviation 2


def test_labels_are_numbered_through_the_batch():
    labels = scenes().labels(torch.device("cpu"))
    assert labels.regions.map.max() == len(labels.regions)
    accepted = torch.isin(labels.regions.map - 1, labels.regions.accepted.nonzero())
    assert accepted.sum() == labels.accepted_pixels
