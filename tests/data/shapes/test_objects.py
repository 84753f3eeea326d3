"""Classes and clutter of the built-in data: outlines and textures."""

import numpy as np
import pytest

from bestie.data.shapes.objects import (
    CLASS_NAMES,
    CLUTTER_NAMES,
    class_parts,
    clutter_parts,
    texture,
)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_parts_of_a_class_fit_the_sprite(name):
    for seed in range(10):
        points = [p for part in class_parts(np.random.default_rng(seed), name) for p in part.rings]
        assert np.abs(np.concatenate(points)).max() <= 1.15


@pytest.mark.parametrize("name", CLUTTER_NAMES)
def test_clutter_has_an_area(name):
    for part in clutter_parts(np.random.default_rng(0), name):
        assert all(len(ring) >= 3 for ring in part.rings)


@pytest.mark.parametrize("name", ["scales", "spots", "ribs", "bands", "checks", "panels", "bricks"])
def test_textures_vary_within_0_and_1(name):
    y, x = np.mgrid[-1:1:50j, -1:1:50j]
    values = texture(name, x, y, 3.0)
    assert values.shape == (50, 50) and values.min() >= 0 and values.max() <= 1
    assert values.std() > 0.1
