import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bestie.regions.components import count_points, find_components, renumber_components


def test_two_classes_by_hand():
    semantic_map = np.array([[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 255]])
    found = find_components(semantic_map, [0, 1, 0], min_area=2)
    np.testing.assert_array_equal(found.map, [[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 0]])
    np.testing.assert_array_equal(found.classes, [0, 1])
    np.testing.assert_array_equal(found.areas, [4, 2])
    # (0 + 0 + 1 + 2) / 4 = 0.75 and (0 + 1 + 1 + 2) / 4 = 1, truncated
    np.testing.assert_array_equal(found.centroids, [[0, 1], [0, 3]])


def test_a_component_of_exactly_the_minimum_area_counts():
    semantic_map = np.zeros((3, 9), np.uint8)
    semantic_map[0, :4] = semantic_map[2, :5] = 1
    assert find_components(semantic_map, [0], min_area=5).areas.tolist() == [5]


def test_classes_that_are_not_asked_for_ignored_pixels_and_empty_maps_give_nothing():
    assert len(find_components(np.full((4, 4), 3, np.uint8), [0, 1], 1)) == 0
    assert len(find_components(np.full((4, 4), 255, np.uint8), range(254), 1)) == 0
    assert len(find_components(np.zeros((0, 0), np.uint8), [0], 1)) == 0


def test_class_253_is_the_last_that_a_map_can_hold():
    found = find_components(np.full((3, 3), 254, np.uint8), [253], 1)
    assert found.classes.tolist() == [253]


def test_points_count_on_components_of_their_class_inside_the_map():
    semantic_map = np.array([[1, 1, 0, 1, 1, 0, 2, 2]])
    components = find_components(semantic_map, [0, 1], min_area=1)
    points = np.array([[0.0, 0.9], [0, 3], [0, 4], [0, 6], [0, 99], [-1, 0]])
    classes = np.array([0, 0, 0, 0, 0, 0])
    assert count_points(components, points, classes).tolist() == [1, 2, 0]


def test_a_repeated_point_counts_twice_and_no_points_give_zeros():
    components = find_components(np.ones((2, 2), np.uint8), [0], 1)
    assert count_points(components, np.array([[0, 0], [0, 0]]), np.array([0, 0])).tolist() == [2]
    assert count_points(components, np.zeros((0, 2)), np.zeros(0)).tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, (12, 15), elements=st.sampled_from([0, 0, 1, 2, 255])))
def test_a_mirrored_map_has_the_mirrored_components(semantic_map):
    found = find_components(semantic_map, [0, 1], 3)
    mirrored = find_components(semantic_map[:, ::-1], [0, 1], 3)
    assert sorted(found.areas) == sorted(mirrored.areas)
    np.testing.assert_array_equal(found.map > 0, mirrored.map[:, ::-1] > 0)
    for index in range(len(found)):
        assert (found.map == index + 1).sum() == found.areas[index] >= 3


def test_regions_of_a_map_become_components_in_the_order_of_their_classes():
    numbers = np.array([[0, 0, -1, 2], [3, 1, 1, 2], [0, 1, -1, -1]])
    found, kept = renumber_components(numbers, np.array([2, 0, 2, 1]), np.array([1, 1, 1, 2]))
    np.testing.assert_array_equal(kept, [1, 0, 2])  # region 3 has one pixel and needs two
    np.testing.assert_array_equal(found.map, [[2, 2, 0, 3], [0, 1, 1, 3], [2, 1, 0, 0]])
    np.testing.assert_array_equal(found.classes, [0, 2, 2])
    np.testing.assert_array_equal(found.areas, [3, 3, 2])
    np.testing.assert_array_equal(found.centroids, [[1, 1], [0, 0], [0, 3]])


def test_regions_without_a_pixel_are_no_components():
    found, kept = renumber_components(np.full((2, 3), -1), np.array([1, 0]))
    assert len(found) == len(kept) == 0 and not found.map.any()
    assert found.centroids.shape == (0, 2)


@given(arrays(np.uint8, (5, 7), elements=st.integers(0, 3)))
def test_components_that_are_renumbered_stay_as_they_are(semantic_map):
    components = find_components(semantic_map, range(3), min_area=1)
    found, kept = renumber_components(components.map.astype(np.int64) - 1, components.classes)
    np.testing.assert_array_equal(kept, np.arange(len(components)))
    for name in ("map", "classes", "areas", "centroids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(components, name))
