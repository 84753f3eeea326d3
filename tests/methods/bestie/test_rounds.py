"""Labels as components of a map, each with one point: they are the pseudo labels of a training."""

import numpy as np
from detectron2.data import transforms as T
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.methods.bestie.rounds import gap_for, labels_as_components
from bestie.regions.components import find_components


def test_touching_instances_are_separated_and_get_a_point_each():
    semantic_map = np.zeros((4, 8), np.uint8)
    semantic_map[:, :6] = 2
    instance_map = np.zeros((4, 8), int)
    instance_map[:, :3], instance_map[:, 3:6] = 1, 2
    made, points, classes = labels_as_components(semantic_map, instance_map, np.array([1, 1]))
    assert made.tolist() == [[2, 2, 255, 255, 2, 2, 0, 0]] * 4
    assert classes.tolist() == [1, 1]
    components = find_components(made, [1], min_area=1)
    assert accept_components(components, points, classes).tolist() == [True, True]


def test_the_rest_of_a_component_is_separated_and_gets_no_point():
    semantic_map = np.full((1, 6), 1, np.uint8)
    instance_map = np.array([[1, 1, 1, 0, 0, 0]])
    made, points, _ = labels_as_components(semantic_map, instance_map, np.array([0]))
    assert made.tolist() == [[1, 1, 255, 255, 1, 1]]
    components = find_components(made, [0], min_area=1)
    assert accept_components(components, points, np.array([0])).tolist() == [True, False]


def test_other_classes_may_touch_and_labels_replace_the_map():
    semantic_map = np.array([[1, 1, 0, 255]], np.uint8)
    instance_map = np.array([[1, 2, 2, 0]])
    made, points, classes = labels_as_components(semantic_map, instance_map, np.array([0, 2]))
    assert made.tolist() == [[1, 3, 3, 255]]
    assert classes.tolist() == [0, 2] and points.tolist() == [[0, 0], [0, 1]]


def test_an_instance_without_pixels_of_its_own_has_no_point():
    instance_map = np.array([[1, 1, 1, 2, 1, 1, 1]])
    empty = np.zeros((1, 7), np.uint8)
    made, points, classes = labels_as_components(empty, instance_map, np.array([0, 0]))
    assert made.tolist() == [[1, 1, 255, 255, 255, 1, 1]] and len(points) == len(classes) == 1


@settings(deadline=None, max_examples=60)
@given(st.floats(0.3, 1.5), st.floats(-3, 3), st.integers(-20, 20))
def test_the_gap_survives_the_resizing_of_the_training(factor, slope, shift):
    """Two instances that touch along a slanted border stay two components."""
    side = 120
    y, x = np.mgrid[:side, :side]
    instance_map = np.where(x - 60 > slope * (y - 60) + shift, 1, 2)
    new = max(8, round(side * factor))
    gap = gap_for(side, new)
    full = np.ones((side, side), np.uint8)
    made, _, _ = labels_as_components(full, instance_map, np.array([0, 0]), gap)
    resize = T.ResizeTransform(side, side, new, new)
    seen = resize.apply_segmentation(made)
    owners = resize.apply_segmentation(instance_map.astype(np.uint8))
    components = find_components(seen, [0], min_area=1)
    for number in range(len(components)):
        assert len(np.unique(owners[components.map == number + 1])) == 1


def test_nothing_stays_nothing():
    nothing = np.zeros((3, 3), np.uint8)
    made, points, classes = labels_as_components(nothing, nothing, np.zeros(0, int))
    assert not made.any() and points.shape == (0, 2) and len(classes) == 0


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.int64, (6, 7), elements=st.integers(0, 3)),
    arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 255])),
    st.sampled_from([1, 2]),
)
def test_a_component_never_holds_pixels_of_two_instances(instance_map, semantic_map, gap):
    classes = np.array([0, 0, 1])
    made, points, kept = labels_as_components(semantic_map, instance_map, classes, gap)
    components = find_components(made, [0, 1], min_area=1)
    for number in range(len(components)):
        assert len(np.unique(instance_map[components.map == number + 1])) == 1
    y, x = points.astype(int).T
    assert (made[y, x] == kept + 1).all() and len(np.unique(instance_map[y, x])) == len(points)


def test_the_gap_grows_with_the_image():
    assert gap_for(64, 64) == gap_for(500, 314) == 1
    assert gap_for(500, 225) == 2 and gap_for(4032, 225) == 9
