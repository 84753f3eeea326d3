"""napari's points as CSV: by hand, and as napari writes them."""

import numpy as np
import pytest

from tests.formats.labels.reading import mistakes, read


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "a.csv"
        path.write_text(text)
        return path

    return write


def test_pixel_centers_are_whole_numbers(write):
    path = write("index,axis-0,axis-1,label\n0.0,4.0,3.25,cat\n1.0,-0.5,9.0,dog\n")
    assert read(path) == [
        ("a", ("cat",), "click", (3.75, 4.5)),
        ("a", ("dog",), "click", (9.5, 0)),
    ]


def test_points_without_a_property_need_a_class(write):
    path = write("index,axis-0,axis-1\n0.0,4.0,3.0\n")
    assert "line 2: names no class; --class NAME" in mistakes(path)[0]
    assert read(path, class_name="cell") == [("a", ("cell",), "click", (3.5, 4.5))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,axis-0,axis-1,axis-2\n0,1,2,3\n", "points of one image (index, axis-0, axis-1)"),
        ("index,shape-type,vertex-index,axis-0,axis-1\n0,polygon,0,1,2\n", "points of one image"),
        ("index,axis-0,axis-1,label\n0,1,x,cat\n", "are not two numbers"),
        ("index,axis-0,axis-1,label\n0,1,2\n", "3 fields under 4 columns"),
        ("index,axis-0,axis-1,label,class\n0,1,2,a,b\n", "several columns of one meaning"),
    ],
)
def test_tables_that_are_refused(write, text, message):
    assert message in mistakes(write(text))[0]


def test_files_of_napari(tmp_path):
    builtins = pytest.importorskip("napari_builtins.io", reason="napari is not installed")
    points = np.array([[4.0, 3.25], [10, 20]])
    meta = {"properties": {"label": np.array(["cat", "dog"])}}
    builtins.napari_write_points(str(tmp_path / "a.csv"), points, meta)
    assert read(tmp_path / "a.csv") == [
        ("a", ("cat",), "click", (3.75, 4.5)),
        ("a", ("dog",), "click", (20.5, 10.5)),
    ]
