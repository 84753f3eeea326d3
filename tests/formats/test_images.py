"""Image files: photographs, semantic maps, ground-truth masks, and mistakes in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from bestie.formats import (
    DataError,
    find_image,
    read_image,
    read_image_size,
    read_instances,
    read_semantic_map,
    voc_palette,
    write_semantic_map,
)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_image_in_both_channel_orders(tmp_path):
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    path = save(tmp_path / "x.png", pixels)
    np.testing.assert_array_equal(read_image(path), pixels)
    np.testing.assert_array_equal(read_image(path, "BGR"), pixels[:, :, ::-1])
    assert read_image_size(path) == (2, 3)


def test_grey_image_becomes_rgb(tmp_path):
    path = save(tmp_path / "x.png", np.full((2, 3), 9, np.uint8))
    np.testing.assert_array_equal(read_image(path), np.full((2, 3, 3), 9))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied_to_pixels_and_size(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    path = save(tmp_path / f"x.{suffix}", np.zeros((4, 8, 3), np.uint8), exif=exif)
    assert read_image(path).shape == (8, 4, 3) and read_image_size(path) == (8, 4)


def test_sixteen_bit_image_is_refused(tmp_path):
    path = save(tmp_path / "x.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(DataError, match="I;16; 8 bits per channel"):
        read_image(path)


def test_truncated_and_foreign_files_are_errors(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / "x.jpg", noise)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="cannot be decoded"):
        read_image(path)
    (tmp_path / "y.jpg").write_text("hello")
    with pytest.raises(DataError, match="is not an image"):
        read_image(tmp_path / "y.jpg")
    with pytest.raises(DataError, match="does not exist"):
        read_image(tmp_path / "z.jpg")


def test_image_is_found_whatever_its_suffix(tmp_path):
    path = save(tmp_path / "JPEGImages" / "IMG_1.JPG", np.zeros((2, 2, 3), np.uint8), format="JPEG")
    assert find_image(tmp_path, "IMG_1") == str(path)
    assert find_image(tmp_path, "IMG_2") is None


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_semantic_map_round_trip(tmp_path_factory, semantic_map):
    path = tmp_path_factory.mktemp("maps") / "x.png"
    write_semantic_map(path, semantic_map)
    np.testing.assert_array_equal(read_semantic_map(path), semantic_map)


def test_rgb_map_is_refused(tmp_path):
    path = save(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="RGB; an 8-bit palette or grey image"):
        read_semantic_map(path)


def test_palette_is_that_of_voc():
    palette = voc_palette()
    assert palette[[0, 1, 2, 15, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [192, 128, 128],
        [224, 224, 192],
    ]


def test_instances_are_renumbered_and_ignored_pixels_belong_to_nobody(tmp_path):
    objects = save(tmp_path / "o.png", np.array([[0, 3, 3, 255], [7, 7, 0, 0]], np.uint8))
    classes = save(tmp_path / "c.png", np.array([[0, 2, 255, 255], [5, 5, 0, 0]], np.uint8))
    instance_map, ignore, classes = read_instances(objects, classes)
    assert instance_map.tolist() == [[0, 1, 0, 0], [2, 2, 0, 0]] and instance_map.dtype == np.uint16
    assert ignore.tolist() == [[False, False, True, True], [False] * 4]
    assert classes.tolist() == [1, 4]


@pytest.mark.parametrize("class_row", [[0, 2, 4], [0, 2, 0], [0, 0, 0]])
def test_instance_without_one_class_is_an_error(tmp_path, class_row):
    objects = save(tmp_path / "o.png", np.array([[0, 3, 3]], np.uint8))
    classes = save(tmp_path / "c.png", np.array([class_row], np.uint8))
    with pytest.raises(DataError, match=r"instances \[3\] do not lie on one class"):
        read_instances(objects, classes)
