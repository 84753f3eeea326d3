"""Text files: round trips, and every mistake named with file and line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bestie.formats import (
    DataError,
    Points,
    read_class_names,
    read_image_labels,
    read_points,
    read_split,
    write_points,
)


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
        ("1 2 dog 1.0", "not a class id"),
        ("1 2 -1 1.0", "not a class id"),
        ("1 2 3 1.5", r"not in \[0, 1\]"),
        ("1 2 3 nan", r"not in \[0, 1\]"),
    ],
)
def test_malformed_point_line(tmp_path, line, message):
    (tmp_path / "p.txt").write_text(f"1 2 3 1.0\n{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        read_points(tmp_path / "p.txt")
    assert caught.value.line == 2
