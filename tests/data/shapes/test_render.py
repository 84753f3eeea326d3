"""Rendered scenes: the picture, and which pixel belongs to which object."""

import numpy as np
import pytest

from bestie.data.shapes.objects import CLASS_NAMES
from bestie.data.shapes.render import draw_scene


@pytest.mark.parametrize("seed", range(3))
def test_objects_of_a_scene_are_visible_and_the_same_seed_gives_the_same(seed):
    scene = draw_scene(np.random.default_rng(seed), 96, 128, class_id=0)
    assert scene.image.shape == (96, 128, 3) and scene.image.dtype == np.uint8
    visible = np.bincount(scene.instance_map.ravel(), minlength=len(scene.classes) + 1)[1:]
    assert len(visible) == len(scene.classes) and (visible > 0).all()
    assert set(scene.classes) <= set(range(len(CLASS_NAMES)))
    again = draw_scene(np.random.default_rng(seed), 96, 128, class_id=0)
    assert np.array_equal(again.image, scene.image)
    assert np.array_equal(again.instance_map, scene.instance_map)
