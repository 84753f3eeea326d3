"""Augmentation: image, map and points stay on each other, and sizes are the reference's."""

import numpy as np
import pytest
from detectron2.data import transforms as T
from hypothesis import given
from hypothesis import strategies as st

from bestie.data import augment, seeded
from bestie.data.augmentation import (
    CanvasCrop,
    CropOnCanvas,
    QuarterTurn,
    RandomColorJitter,
    RandomQuarterTurn,
    ResizeAndScale,
)


def coordinate_image(height, width):
    """Image whose pixels hold their own (y, x), and a map that holds y + x."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([y, x, np.ones_like(x)], axis=2), y + x


def all_pixels(height, width):
    return np.argwhere(np.ones((height, width), bool))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (375, 500, (353, 449)),  # 336.75 -> 336 -> 353
        (500, 375, (449, 353)),
        (480, 480, (449, 449)),
        (100, 1000, (65, 449)),
        (1, 1000, (1, 449)),
        (360, 480, (353, 449)),
    ],
)
def test_base_size_is_a_multiple_of_32_plus_one_and_never_above_449(height, width, expected):
    assert ResizeAndScale(480, [1.0]).base_sides(height, width) == expected


def test_scales_are_drawn_from_the_list():
    image = np.zeros((375, 500, 3), np.uint8)
    resize = ResizeAndScale(480, [0.7, 1.0, 1.3])
    with seeded(0):
        sizes = {resize.get_transform(image).apply_image(image).shape[:2] for _ in range(50)}
    assert sizes == {(247, 314), (353, 449), (459, 584)}


def test_base_size_zero_keeps_the_size():
    image = np.zeros((30, 50, 3), np.uint8)
    assert ResizeAndScale(0, [1.0]).get_transform(image).apply_image(image).shape == image.shape
    assert ResizeAndScale(0, [0.5]).get_transform(image).apply_image(image).shape == (15, 25, 3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turn_moves_pixels_and_points_alike(turns):
    image, semantic_map = coordinate_image(3, 5)
    points = all_pixels(3, 5)
    turned, turned_map, yx, kept = augment(
        T.AugmentationList([QuarterTurn(3, 5, turns)]), image, semantic_map, points
    )
    assert turned.shape == ((3, 5, 3) if turns % 2 == 0 else (5, 3, 3)) and kept.all()
    rows, columns = yx.astype(int).T
    np.testing.assert_array_equal(turned[rows, columns, :2], points)
    np.testing.assert_array_equal(turned_map[rows, columns], points.sum(1))


@given(
    st.integers(2, 9),
    st.integers(2, 9),
    st.integers(2, 12),
    st.integers(2, 12),
    st.integers(0, 1000),
)
def test_crop_and_flips_keep_points_on_their_pixels(height, width, crop_h, crop_w, seed):
    image, semantic_map = coordinate_image(height, width)
    points = all_pixels(height, width)
    steps = [
        RandomQuarterTurn(),
        CropOnCanvas((crop_h, crop_w), (200, 201, 202)),
        T.RandomFlip(),
        T.RandomFlip(horizontal=False, vertical=True),
    ]
    with seeded(seed):
        image, semantic_map, yx, kept = augment(
            T.AugmentationList(steps), image, semantic_map, points
        )
    assert image.shape == (crop_h, crop_w, 3) and semantic_map.shape == (crop_h, crop_w)
    rows, columns = yx.astype(int).T
    np.testing.assert_array_equal(image[rows, columns, :2], points[kept])
    inside = image[:, :, 2] == 1
    assert inside.sum() == kept.sum() > 0
    assert (image[~inside] == (200, 201, 202)).all() and (semantic_map[~inside] == 255).all()
    np.testing.assert_array_equal(semantic_map[inside], image[inside][:, :2].sum(1))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1.0, 3.0))
def test_enlarging_keeps_points_on_their_pixels(height, width, scale):
    image, _ = coordinate_image(height, width)
    semantic_map = np.arange(height * width).reshape(height, width) % 251
    points = all_pixels(height, width)
    _, enlarged, yx, kept = augment(
        T.AugmentationList([ResizeAndScale(0, [scale])]),
        image,
        semantic_map.astype(np.uint8),
        points,
    )
    assert kept.all()
    rows, columns = yx.astype(int).T
    np.testing.assert_array_equal(enlarged[rows, columns], semantic_map.ravel())


def test_crop_position_is_random_within_the_image_and_on_the_canvas():
    with seeded(3):
        crops = [
            CropOnCanvas((4, 8), (0, 0, 0)).get_transform(np.zeros((6, 5, 3))) for _ in range(99)
        ]
    assert {crop.top for crop in crops} == {0, 1, 2}
    assert {crop.left for crop in crops} == {0, -1, -2, -3}


def test_fractions_of_points_are_cut_off_and_points_outside_dropped():
    points = np.array([[1.9, 2.6], [3.0, 0.0], [0.5, 7.0]])
    image, *_, yx, kept = augment(
        T.AugmentationList([CanvasCrop(0, 0, (3, 4), (0, 0, 0))]),
        np.zeros((4, 4, 3), np.uint8),
        None,
        points,
    )
    assert yx.tolist() == [[1, 2]] and yx.dtype == np.float32
    assert kept.tolist() == [True, False, False]


def test_color_jitter_does_the_same_to_either_channel_order():
    rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    results = []
    for image, image_format in ((rgb, "RGB"), (rgb[:, :, ::-1], "BGR")):
        with seeded(5):
            jitter = RandomColorJitter([0.3, 0.3, 0.3, 0.1], image_format)
            results.append(jitter.get_transform(image).apply_image(image))
    np.testing.assert_array_equal(results[0], results[1][:, :, ::-1])
    assert (results[0] != rgb).any()
