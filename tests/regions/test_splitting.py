import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bestie.regions.components import find_components
from bestie.regions.splitting import split_components


def split(semantic_map, points, classes=None, image=None, min_area=1):
    semantic_map = np.asarray(semantic_map)
    image = np.zeros((*semantic_map.shape, 3), np.uint8) if image is None else image
    classes = np.zeros(len(points), int) if classes is None else classes
    components = find_components(semantic_map, range(3), 1)
    return split_components(components, image, np.array(points), np.array(classes), min_area)


def test_a_plain_component_is_cut_in_the_middle():
    found, is_piece = split([[1, 1, 1, 1, 1, 1, 0, 2]], [[0, 0], [0, 5]])
    assert found.map.tolist() == [[1, 1, 1, 2, 2, 2, 0, 3]]
    assert found.classes.tolist() == [0, 0, 1] and found.areas.tolist() == [3, 3, 1]
    assert found.centroids.tolist() == [[0, 1], [0, 4], [0, 7]]
    assert is_piece.tolist() == [True, True, False]


def test_the_cut_follows_an_edge_of_the_image():
    image = np.full((1, 6, 3), 40, np.uint8)
    image[:, 1:] = 200
    found, _ = split([[1] * 6], [[0, 0], [0, 5]], image=image)
    assert found.map.tolist() == [[1, 2, 2, 2, 2, 2]]
    components = find_components(np.ones((1, 6), np.uint8), [0], 1)
    points = np.array([[0, 0], [0, 5]])
    found, _ = split_components(components, image, points, np.zeros(2, int), 1, edge_cost=0.0)
    assert found.map.tolist() == [[1, 1, 1, 2, 2, 2]]


def test_distance_is_measured_inside_the_component():
    # A horseshoe: the end of the right arm is near the left point, but far on the way to it.
    shape = [[1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1]]
    found, _ = split(shape, [[0, 0], [4, 2]])
    assert found.map[0].tolist() == [1, 0, 2]


def test_components_with_one_point_or_none_and_points_of_other_classes_change_nothing():
    semantic_map = np.array([[1, 1, 1, 0, 2, 2, 0, 1, 1]])
    points = [[0, 0], [0, 4], [0, 5], [0, 2], [9, 9]]
    found, is_piece = split(semantic_map, points, [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(found.map, find_components(semantic_map, range(3), 1).map)
    assert not is_piece.any() and len(is_piece) == 3


def test_points_of_one_pixel_are_one():
    found, is_piece = split([[1, 1, 1, 1]], [[0, 0.2], [0, 0.9]])
    assert len(found) == 1 and not is_piece.any()


def test_small_pieces_belong_to_nothing_and_small_whole_components_stay():
    found, is_piece = split([[1, 1, 1, 1, 1, 0, 1]], [[0, 0], [0, 1]], min_area=2)
    assert found.map.tolist() == [[0, 2, 2, 2, 2, 0, 1]]
    assert is_piece.tolist() == [False, True]


def test_a_component_all_of_whose_pieces_are_small_stays_whole():
    found, is_piece = split(
        [[1, 1, 1, 1, 0, 1, 1, 1]], [[0, 0], [0, 3], [0, 5], [0, 7]], min_area=3
    )
    assert found.map.tolist() == [[1, 1, 1, 1, 0, 2, 2, 2]]
    assert not is_piece.any()


def test_no_path_leads_through_another_component():
    # The points of class 1 lie beside the middle of class 0 and are nearer to it than its own.
    semantic_map = [[1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 2, 2, 2, 2, 0, 0]]
    found, _ = split(semantic_map, [[0, 0], [0, 7], [1, 3], [1, 4]], [0, 0, 1, 1])
    assert found.map.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2], [0, 0, 3, 3, 4, 4, 0, 0]]


@settings(deadline=None, max_examples=60)
@given(
    semantic_map=arrays(np.uint8, (7, 8), elements=st.sampled_from([0, 1, 1, 2, 255])),
    points=st.lists(st.tuples(st.integers(-1, 8), st.integers(-1, 9)), max_size=6),
    seed=st.integers(0, 99),
)
def test_pieces_cover_what_was_cut_and_hold_one_point_each(semantic_map, points, seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, len(points))
    image = rng.integers(0, 256, (7, 8, 3), dtype=np.uint8)
    before = find_components(semantic_map, range(2), 1)
    yx = np.array(points).reshape(-1, 2)
    found, is_piece = split_components(before, image, yx, classes, 1)
    np.testing.assert_array_equal(found.map > 0, before.map > 0)
    assert (np.diff(found.classes) >= 0).all()
    for number, piece in enumerate(is_piece, 1):
        mask = found.map == number
        assert mask.sum() == found.areas[number - 1]
        assert len(np.unique(before.map[mask])) == 1  # a part of one component
        assert len(find_components(mask.astype(np.uint8), [0], 1)) == 1  # connected
        on_it = {
            (y, x)
            for (y, x), class_id in zip(points, classes, strict=True)
            if 0 <= y < 7 and 0 <= x < 8 and mask[y, x] and class_id == found.classes[number - 1]
        }
        assert len(on_it) == 1 if piece else len(on_it) <= 1
