import numpy as np
import pytest

from bestie.formats import read_image
from bestie.visualization import canvas
from bestie.visualization.canvas import (
    PAPER,
    add_legend,
    add_title,
    draw_texts,
    fit_size,
    resize_image,
    resize_nearest,
    save_png,
    shorten,
    text_size,
    tile,
)


def picture(height: int, width: int, value: int = 0) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_tiles_stand_in_rows_and_columns():
    sheet = tile([[picture(2, 3, 10), picture(4, 5, 20)], [picture(1, 1, 30)]], gap=1)
    assert sheet.shape == (1 + 4 + 1 + 1 + 1, 1 + 3 + 1 + 5 + 1, 3)
    assert (sheet[1:3, 1:4] == 10).all() and (sheet[3:5, 1:4] == PAPER).all()
    assert (sheet[1:5, 5:10] == 20).all()
    assert (sheet[6, 1] == 30).all() and (sheet[6, 2:] == PAPER).all()


def test_a_row_may_be_empty_but_not_all():
    assert tile([[], [picture(1, 1)]], gap=0).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="no row holds an image"):
        tile([[], []])


def test_title_and_legend_keep_the_picture_and_its_width():
    image = picture(20, 60, 77)
    titled = add_title(image, "a title that is much too long for it")
    assert titled.shape[1] == 60 and (titled[-20:] == 77).all()
    assert (titled[:-20] != PAPER).any()
    legend = add_legend(image, [("cat", (1, 200, 3)), ("some other class", None)])
    assert legend.shape[1] == 60 and (legend[:20] == 77).all()
    assert (legend[20:] == (1, 200, 3)).all(axis=2).any()


def test_titles_are_equally_high():
    image = picture(5, 50)
    assert add_title(image, "").shape == add_title(image, "Ägyptgy").shape


def test_legend_wraps_and_may_be_empty():
    image = picture(20, 60)
    one = add_legend(image, [("cat", None)])
    many = add_legend(image, [("cat", None)] * 6)
    assert many.shape[0] > one.shape[0]
    assert add_legend(image, []).shape == image.shape


@pytest.mark.parametrize("position", [(0, 0), (19, 79), (10, 40), (-50, 500)])
def test_text_stays_inside_and_input_untouched(position):
    image = picture(20, 80)
    drawn = draw_texts(image, [("word", position)], size=12)
    assert drawn.shape == image.shape and (drawn > 200).any()
    assert not image.any()


def test_shortened_text_fits():
    assert shorten("word", 500, 12) == "word"
    short = shorten("a very long line of words", 60, 12)
    assert short.endswith("…") and text_size(short, 12)[1] <= 60


def test_longer_side_is_fitted():
    assert fit_size(100, 50, 20) == (20, 10)
    assert fit_size(3, 3000, 100) == (1, 100)


def test_labels_grow_by_repetition_and_shrink_by_choice():
    labels = np.array([[1, 2], [3, 70000]], np.int64)
    grown = resize_nearest(labels, (4, 6))
    np.testing.assert_array_equal(grown, labels.repeat(2, 0).repeat(3, 1))
    np.testing.assert_array_equal(resize_nearest(grown, (2, 2)), labels)
    masks = np.zeros((5, 4, 4), bool)
    assert resize_nearest(masks, (2, 8)).shape == (5, 2, 8)
    assert resize_nearest(masks[:0], (2, 8)).shape == (0, 2, 8)


def test_resizing_a_picture_averages():
    checks = np.indices((8, 8)).sum(0) % 2 * 200
    image = np.repeat(checks[..., None], 3, 2).astype(np.uint8)
    assert (resize_image(image, (4, 4)) == 100).all()


def test_png_round_trip(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    save_png(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), image)


def test_names_of_a_script_without_a_font_are_drawn_apart(monkeypatch, caplog):
    monkeypatch.setattr(canvas.font_manager, "findSystemFonts", lambda: [])
    for function in (canvas._system_font, canvas._warn_of_missing_font):
        function.cache_clear()
    blank = np.full((24, 90, 3), 255, np.uint8)
    drawn = [draw_texts(blank, [(name, (12, 45))], 12) for name in ("狗", "猫", "猫")]
    assert not np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[1], drawn[2])
    assert text_size("猫", 12) == text_size("<732B>", 12)
    assert len([r for r in caplog.records if "No font of this system" in r.message]) == 1
    canvas._system_font.cache_clear()
