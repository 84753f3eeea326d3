import numpy as np

from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.regions import find_components


def test_only_components_with_exactly_one_point_of_their_class_are_accepted():
    semantic_map = np.array([[1, 1, 0, 1, 1, 0, 2, 2]])
    components = find_components(semantic_map, [0, 1], min_area=1)
    points = np.array([[0.0, 0.9], [0, 3], [0, 4], [0, 6]])  # one, two, and one of another class
    assert accept_components(components, points, np.zeros(4)).tolist() == [True, False, False]


def test_a_repeated_point_counts_twice_and_no_point_accepts_nothing():
    components = find_components(np.ones((2, 2), np.uint8), [0], 1)
    assert not accept_components(components, np.array([[0, 0], [0, 0]]), np.array([0, 0])).any()
    assert not accept_components(components, np.zeros((0, 2)), np.zeros(0)).any()
