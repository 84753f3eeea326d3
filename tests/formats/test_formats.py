"""Files: round trips, and every mistake named with file and line."""

import json
import pickle

import numpy as np
import pytest
from detectron2.data.datasets import load_coco_json
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from bestie.formats import (
    DataError,
    Points,
    atomic_write,
    check_coco_dict,
    decode_mask,
    encode_mask,
    find_image,
    read_class_names,
    read_coco,
    read_image,
    read_image_labels,
    read_image_size,
    read_instances,
    read_points,
    read_semantic_map,
    read_split,
    voc_palette,
    write_coco,
    write_coco_stream,
    write_points,
    write_semantic_map,
)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_error_names_file_and_line_and_survives_pickling():
    error = pickle.loads(pickle.dumps(DataError("is wrong", "points.txt", 3)))
    assert str(error) == "points.txt, line 3: is wrong"
    assert (error.file, error.line, error.message) == ("points.txt", 3, "is wrong")
    assert str(DataError("two errors")) == "two errors"


# ---- text files


def test_class_names_in_file_order_without_byte_order_mark(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbfdog\r\ndining table\r\n\r\n")
    assert read_class_names(tmp_path) == ["dog", "dining table"]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", None, "is empty"),
        ("dog\n\ncat\n", 2, "empty line"),
        ("dog\ncat\ndog\n", 3, "'dog' is already in line 1"),
        ("\n".join(f"class{i}" for i in range(255)), None, "at most 254"),
    ],
)
def test_bad_class_names(tmp_path, content, line, message):
    (tmp_path / "classes.txt").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_class_names(tmp_path)
    assert caught.value.file.endswith("classes.txt") and caught.value.line == line


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_class_names(tmp_path)


def test_missing_split_names_the_splits_that_exist(tmp_path):
    folder = tmp_path / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    (folder / "val.txt").write_text("x\n")
    with pytest.raises(DataError, match=r"train.txt: file does not exist.*\['val'\]"):
        read_split(tmp_path, "train")


def test_all_mistakes_of_a_split_are_collected(tmp_path):
    folder = tmp_path / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("a\n\nb 1\na\nc\n")
    problems = []
    assert read_split(tmp_path, "train", problems) == ["a", "c"]
    assert [problem.line for problem in problems] == [3, 4]


def test_tags_are_sorted_and_an_image_may_have_none(tmp_path):
    (tmp_path / "image_labels.txt").write_text("x 2 0 2\ny\n")
    assert read_image_labels(tmp_path, ["a", "b", "c"]) == {"x": [0, 2], "y": []}
    assert read_image_labels(tmp_path, ["a", "b", "c"], ["y", "z"]) == {"y": []}


@pytest.mark.parametrize("line", ["x 3", "x -1", "x dog", "x 1.0", "a 0"])
def test_bad_tags(tmp_path, line):
    (tmp_path / "image_labels.txt").write_text(f"a 1\n{line}\n")
    with pytest.raises(DataError, match="image_labels.txt, line 2") as caught:
        read_image_labels(tmp_path, ["p", "q", "r"])
    assert "0..2" in str(caught.value) or "twice" in str(caught.value)


def test_tags_from_voc_xml(tmp_path):
    (tmp_path / "Annotations").mkdir()
    objects = "".join(f"<object><name>{name}</name></object>" for name in ("dog", "cat", "dog"))
    (tmp_path / "Annotations" / "x.xml").write_text(f"<annotation>{objects}</annotation>")
    assert read_image_labels(tmp_path, ["cat", "cow", "dog"]) == {"x": [0, 2]}
    with pytest.raises(DataError, match="object of the class 'dog'"):
        read_image_labels(tmp_path, ["cat"])
    (tmp_path / "Annotations" / "x.xml").write_text("<annotation>\n<object>")
    with pytest.raises(DataError, match="x.xml, line 2"):
        read_image_labels(tmp_path, ["cat"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.floats(0, 5000, allow_nan=False).map(lambda x: round(x, 3)),
            st.integers(0, 253),
            st.floats(0, 1, width=32),
        ),
        max_size=8,
    )
)
def test_points_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("points") / "x.txt"
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    written = Points(table[:, :2], table[:, 2].astype(np.int64), table[:, 3].astype(np.float32))
    write_points(path, written)
    read = read_points(path)
    np.testing.assert_allclose(read.yx, written.yx, rtol=1e-9)
    np.testing.assert_array_equal(read.classes, written.classes)
    np.testing.assert_array_equal(read.scores, written.scores)


def test_points_swap_x_and_y_and_keep_line_numbers(tmp_path):
    (tmp_path / "p.txt").write_text("12 5 3 1.0\n\n7.5 0 0 0.25\n")
    points = read_points(tmp_path / "p.txt")
    assert points.yx.tolist() == [[5, 12], [0, 7.5]] and points.lines.tolist() == [1, 3]
    write_points(tmp_path / "q.txt", points)
    assert (tmp_path / "q.txt").read_text() == "12 5 3 1.0\n7.5 0 0 0.25\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", "3 fields"),
        ("1,2,3,1.0", "1 fields"),
        ("1 2 3 1.0 9", "5 fields"),
        ("x 2 3 1.0", "not a number"),
        ("1 nan 3 1.0", "not finite"),
        ("1 2 dog 1.0", "no class id"),
        ("1 2 -1 1.0", "no class id"),
        ("1 2 3 1.5", r"not in \[0, 1\]"),
        ("1 2 3 nan", r"not in \[0, 1\]"),
    ],
)
def test_malformed_point_line(tmp_path, line, message):
    (tmp_path / "p.txt").write_text(f"1 2 3 1.0\n{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        read_points(tmp_path / "p.txt")
    assert caught.value.line == 2


# ---- images


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


# ---- COCO json


def coco_of(mask):
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    top, left = int(rows.min()), int(columns.min())
    box = [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]
    return {
        "images": [{"id": 4, "file_name": "x.jpg", "height": height, "width": width}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 4,
                "category_id": 1,
                "bbox": box,
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": encode_mask(mask),
            }
        ],
    }


@pytest.fixture
def coco():
    return coco_of(np.array([[0, 1, 1], [0, 1, 0]], bool))


@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_mask_round_trip(mask):
    rle = json.loads(json.dumps(encode_mask(mask)))
    np.testing.assert_array_equal(decode_mask(rle, *mask.shape), mask)


def test_polygons_and_uncompressed_rle_decode():
    square = np.zeros((4, 4), bool)
    square[1:3, 1:3] = True
    np.testing.assert_array_equal(decode_mask([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4), square)
    np.testing.assert_array_equal(
        decode_mask([[0, 0, 4, 4], [1, 1, 3, 1, 3, 3, 1, 3]], 4, 4), square, err_msg="no box"
    )
    counts = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
    np.testing.assert_array_equal(decode_mask(counts, 4, 4), square)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_written_json_loads_in_detectron2(tmp_path, coco):
    write_coco(tmp_path / "x.json", coco)
    assert read_coco(tmp_path / "x.json") == coco
    (record,) = load_coco_json(str(tmp_path / "x.json"), "images")
    np.testing.assert_array_equal(
        decode_mask(record["annotations"][0]["segmentation"], 2, 3), [[0, 1, 1], [0, 1, 0]]
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("images",), [], "'images' is empty"),
        (("categories",), None, "'categories' is no list"),
        (("images", 0, "height"), None, "image 4 has no 'height'"),
        (("annotations", 0, "image_id"), 5, "image_id 5 is not in 'images'"),
        (("annotations", 0, "category_id"), 2, "category_id 2 is not in 'categories'"),
        (("annotations", 0, "bbox"), [1, 2], "bbox"),
        (("annotations", 0, "bbox"), [0, 0, 2, 2], "its mask has area 3, bbox"),
        (("annotations", 0, "area"), 4, "area 4"),
        (("annotations", 0, "area"), None, "annotation 1 has no 'area'"),
        (("annotations", 0, "area"), -1, "area -1 is not a number of pixels"),
        (("annotations", 0, "iscrowd"), None, "annotation 1 has no 'iscrowd'"),
        (("annotations", 0, "segmentation"), [[0, 0, 1, 1]], "at least 3 points"),
        (("annotations", 0, "segmentation", "size"), [3, 2], "size"),
        (("annotations", 0, "ignore"), 1, "'ignore'"),
    ],
)
def test_nothing_is_written_that_others_would_reject(tmp_path, coco, path, value, message):
    node = coco
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(DataError, match=message):
        write_coco(tmp_path / "x.json", coco)
    assert list(tmp_path.iterdir()) == []


def streamed(coco):
    """Arguments of write_coco_stream: head, images, annotations of each image."""
    head = {"info": {}, "licenses": [], "categories": coco["categories"]}
    of_images = [
        [entry for entry in coco["annotations"] if entry["image_id"] == image["id"]]
        for image in coco["images"]
    ]
    return head, coco["images"], of_images


def test_streamed_json_has_the_same_bytes(tmp_path, coco):
    without_annotations = coco["images"][0] | {"id": 3, "file_name": "y.jpg"}
    coco["images"].insert(0, without_annotations)
    second = coco["annotations"][0] | {"id": 2}
    coco["annotations"].append(second)
    head, images, of_images = streamed(coco)
    write_coco_stream(tmp_path / "a.json", head, images, iter(of_images))
    whole = head | {"images": images, "annotations": coco["annotations"]}
    write_coco(tmp_path / "b.json", whole)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("area", 4, "annotation 1: area 4"),
        ("category_id", 2, "category_id 2 is not in 'categories'"),
        ("bbox", None, "annotation 1 has no 'bbox'"),
    ],
)
def test_nothing_is_streamed_that_others_would_reject(tmp_path, coco, key, value, message):
    (tmp_path / "x.json").write_text("kept")
    coco["annotations"][0][key] = value
    with pytest.raises(DataError, match=message):
        write_coco_stream(tmp_path / "x.json", *streamed(coco))
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert (tmp_path / "x.json").read_text() == "kept"


def test_repeated_ids_and_names_are_found(coco):
    for key in ("images", "categories", "annotations"):
        coco[key] = coco[key] * 2
    kinds = {message.rsplit(" occurs", 1)[0].rsplit(" ", 1)[0] for message in check_coco_dict(coco)}
    named = {"image file_name", "category name"}
    assert kinds == {"image id", "category id", "annotation id"} | named


def test_broken_json_names_the_line(tmp_path):
    (tmp_path / "x.json").write_text('{"images": [],\n "annotations": [}\n')
    with pytest.raises(DataError, match="x.json, line 2: is not well-formed json"):
        read_coco(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(DataError, match="is a json list"):
        read_coco(tmp_path / "x.json")


# ---- atomic writing


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with atomic_write(path) as file:
        file.write("old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]
