import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.visualization.draw import (
    INSTANCE_COLORS,
    class_color,
    draw_heatmap,
    draw_instances,
    draw_offsets,
    draw_points,
    draw_semantic_map,
    reference_length,
    split_instance_map,
)

GREY = np.full((40, 60, 3), 128, np.uint8)


def rectangles(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """(N, 40, 60) bool masks of (top, left, bottom, right)."""
    masks = np.zeros((len(boxes), 40, 60), bool)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


def test_class_colors_are_those_of_voc():
    assert class_color(0) == (128, 0, 0) and class_color(1) == (0, 128, 0)
    assert class_color(14) == (192, 128, 128)  # person


def test_semantic_map_colors_its_classes_only():
    semantic_map = np.zeros((40, 60), np.uint8)
    semantic_map[10:30, 10:30] = 3
    drawn = draw_semantic_map(GREY, semantic_map)
    assert (drawn[semantic_map == 0] == 128).all()
    np.testing.assert_array_equal(drawn[20, 20], (64 + 64, 64 + 64, 64))  # half of (128, 128, 0)
    assert (drawn[10, 10:30].astype(int) > drawn[20, 20]).all()  # light outline


def test_ignored_pixels_are_striped():
    drawn = draw_semantic_map(GREY, np.full((40, 60), 255, np.uint8))
    assert len(np.unique(drawn)) == 2


def test_disc_has_the_color_of_its_class_and_lies_where_the_point_is():
    drawn = draw_points(GREY, np.array([[12.0, 40.0]]), np.array([1]))
    assert tuple(drawn[12, 40]) == class_color(1)
    changed = np.argwhere((drawn != GREY).any(2))
    np.testing.assert_allclose(changed.mean(0), [12, 40], atol=0.1)


def test_confident_points_are_larger():
    def area(score: float) -> int:
        drawn = draw_points(GREY, np.array([[20, 30]]), np.array([0]), np.array([score]))
        return int((drawn != GREY).any(2).sum())

    assert area(1.0) > area(0.6) > area(0.1) > 0


def test_points_outside_the_picture_draw_nothing():
    np.testing.assert_array_equal(draw_points(GREY, np.array([[-50, 900]]), np.array([0])), GREY)
    np.testing.assert_array_equal(draw_points(GREY, np.zeros((0, 2)), np.zeros(0, int)), GREY)


def test_instance_map_is_split_by_value():
    masks = split_instance_map(np.array([[0, 7, 7], [-1, 2, 0]]))
    np.testing.assert_array_equal(masks, [[[0, 0, 0], [0, 1, 0]], [[0, 1, 1], [0, 0, 0]]])
    assert split_instance_map(np.zeros((2, 3), int)).shape == (0, 2, 3)


def test_touching_instances_both_show_their_outline():
    masks = rectangles((10, 10, 30, 20), (10, 20, 30, 30))
    drawn = draw_instances(GREY, masks)
    left, right = drawn[20, 19], drawn[20, 20]
    palette = INSTANCE_COLORS.tolist()
    assert left.tolist() in palette and right.tolist() in palette
    assert left.tolist() != right.tolist()
    np.testing.assert_array_equal(drawn[~masks.any(0)], GREY[~masks.any(0)])


def test_small_instance_lies_on_top_of_a_large_one():
    masks = rectangles((18, 28, 22, 32), (0, 0, 40, 60))
    drawn = draw_instances(GREY, masks)
    assert drawn[18, 28].tolist() == draw_instances(GREY, masks[:1])[18, 28].tolist()


def test_text_is_written_where_it_fits():
    masks = rectangles((0, 0, 40, 60), (0, 0, 4, 4))
    plain = draw_instances(GREY, masks)
    np.testing.assert_array_equal(draw_instances(GREY, masks[1:], ["cat"])[10:], GREY[10:])
    assert (draw_instances(GREY, masks, ["cat", "cat"]) != plain).any()


def test_masks_without_a_pixel_are_passed_over():
    masks = np.zeros((2, *GREY.shape[:2]), bool)
    masks[0, 5:20, 5:20] = True
    drawn = draw_instances(GREY, masks, ["cat", "dog"])
    np.testing.assert_array_equal(drawn, draw_instances(GREY, masks[:1], ["cat"]))


def test_texts_do_not_cover_each_other():
    same = rectangles((0, 0, 40, 60), (0, 0, 40, 60))
    once = draw_instances(GREY, same, ["cat", ""])
    np.testing.assert_array_equal(draw_instances(GREY, same, ["cat", "dog"]), once)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 50), st.integers(0, 9), st.integers(0, 9)),
        max_size=11,
    )
)
def test_neighbours_never_share_a_color(boxes):
    """Up to as many instances as there are colors."""
    masks = rectangles(*[(y, x, y + height, x + width) for y, x, height, width in boxes])
    drawn_alone = np.full((40, 60), -1)
    for index, mask in enumerate(masks):
        drawn_alone[mask] = index
    drawn = draw_instances(np.zeros_like(GREY), split_instance_map(drawn_alone + 1), opacity=1.0)
    for step in (np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1]):
        one, other = (drawn_alone[window] for window in step)
        touch = (one != other) & (one >= 0) & (other >= 0)
        assert (drawn[step[0]] != drawn[step[1]]).any(2)[touch].all()


def test_heatmap_is_the_maximum_over_classes_and_grows_brighter():
    ramp = np.linspace(-1, 2, 60)[None].repeat(40, 0)
    drawn = draw_heatmap(np.stack([ramp, np.zeros((40, 60))])).astype(int).sum(2)
    assert (np.diff(drawn[0]) >= 0).all() and drawn[0, -1] > 600 > 20 > drawn[0, 0]
    np.testing.assert_array_equal(draw_heatmap(ramp.clip(0)), draw_heatmap(ramp))


def test_image_shines_through_a_low_heatmap():
    heatmap = np.zeros((1, 40, 60), np.float32)
    heatmap[0, 20, 30] = 1
    drawn = draw_heatmap(heatmap, GREY)
    assert tuple(drawn[0, 0]) == (51, 51, 51)
    assert drawn[20, 30].astype(int).sum() > 600


def test_offset_hue_is_direction_and_brightness_length():
    offset = np.zeros((2, 40, 60), np.float32)
    offset[1, :10] = 5  # to the right, half of the greatest length
    offset[1, 10:20] = 10
    offset[1, 20:30] = -10
    drawn = draw_offsets(offset, max_length=10, legend=False)
    np.testing.assert_allclose(drawn[0, 0], (128, 0, 0), atol=1)
    assert tuple(drawn[10, 0]) == (255, 0, 0)  # red to the right
    assert tuple(drawn[20, 0]) == (0, 255, 255)  # its complement to the left
    assert tuple(drawn[30, 0]) == (0, 0, 0)


def test_pixels_without_offset_are_grey():
    weight = np.zeros((40, 60))
    weight[:20] = 0.5
    drawn = draw_offsets(np.ones((2, 40, 60)), weight, legend=False)
    assert (drawn[20:] == 205).all() and (drawn[:20] != 205).any(2).all()


def test_legend_wheel_shows_the_colors_of_the_picture():
    drawn = draw_offsets(np.zeros((2, 100, 100)), max_length=8)
    assert (drawn[:60] == 0).all() and drawn[-25:, -25:].any()
    # The wheel's right side has the color of offsets to the right.
    red = (drawn[..., 0] > 150) & (drawn[..., 1:] < 60).all(2)
    blue_green = (drawn[..., 0] < 60) & (drawn[..., 1:] > 150).all(2)
    assert np.argwhere(red)[:, 1].min() > np.argwhere(blue_green)[:, 1].max()


def test_legend_is_left_out_where_it_does_not_fit():
    assert not draw_offsets(np.zeros((2, 8, 8))).any()


def test_reference_length_without_offsets_is_one_pixel():
    assert reference_length(np.ones((2, 3, 3)), np.zeros((3, 3), bool)) == 1.0
    assert reference_length(np.full((2, 3, 3), 30.0), np.ones((3, 3), bool)) == pytest.approx(
        42.43, 1e-3
    )


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_semantic_map(GREY, np.zeros((3, 3), np.uint8)),
        lambda: draw_instances(GREY, np.zeros((1, 3, 3), bool)),
        lambda: draw_heatmap(np.zeros((1, 3, 3)), GREY),
        lambda: draw_offsets(np.zeros((2, 3, 3)), np.zeros((4, 4))),
    ],
)
def test_sizes_must_agree(draw):
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        draw()
