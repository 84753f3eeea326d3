"""QuPath's GeoJSON, by hand after its documentation (QuPath itself is a Java program)."""

import json

import numpy as np
import pytest

from bestie.formats.labels.registry import read_labels
from tests.formats.labels.reading import box_mask, drawn, mistakes, read

SQUARE = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 1]]
HOLE = [[3, 3], [5, 3], [5, 5], [3, 5], [3, 3]]


def feature(kind, coordinates, name="Tumor", **geometry):
    classification = {"name": name, "color": [200, 0, 0]}
    properties = {"objectType": "annotation"} | ({"classification": classification} if name else {})
    shape = {"type": kind, "coordinates": coordinates, **geometry}
    return {"type": "Feature", "id": "x", "geometry": shape, "properties": properties}


@pytest.fixture(params=["collection", "list"])
def write(request, tmp_path):
    def write(*features):
        path = tmp_path / "slide 1.geojson"
        content = list(features)
        if request.param == "collection":
            content = {"type": "FeatureCollection", "features": content}
        path.write_text(json.dumps(content))
        return path

    return write


def test_each_shape_becomes_what_the_docs_say(write):
    click = ("slide 1", ("Tumor",), "click", (3.5, 4))
    assert read(write(feature("Point", [3.5, 4]))) == [click]
    points = feature("MultiPoint", [[3.5, 4], [5, 6]])
    assert read(write(points)) == [click, (*click[:3], (5, 6))]
    ((name, mask),) = drawn(write(feature("Polygon", [SQUARE, HOLE])), 20, 20)
    assert name == "Tumor"
    expected = box_mask(20, 20, 1, 1, 9, 9) & ~box_mask(20, 20, 3, 3, 5, 5)
    np.testing.assert_array_equal(mask, expected)
    parts = feature("MultiPolygon", [[HOLE], [[[x + 8, y] for x, y in HOLE]]])
    ((_, mask),) = drawn(write(parts), 20, 20)
    assert mask.sum() == 8


def test_objects_without_a_class_need_one(write):
    path = write(feature("Point", [3, 4], name=None))
    assert "feature 1 names no class; --class NAME" in mistakes(path)[0]
    assert read(path, class_name="cell") == [("slide 1", ("cell",), "click", (3, 4))]


def test_classes_that_qupath_ignores_are_left_out(write):
    names = ("Tumor", "Ignore*", "Ignore*", "Tumor: Region*")
    path = write(*(feature("Point", [3, 4], name=name) for name in names))
    assert read(path) == [("slide 1", ("Tumor",), "click", (3, 4))]
    assert [note.partition(" are")[0] for note in read_labels(path).notes] == [
        "2 objects of the class 'Ignore*'",
        "1 objects of the class 'Tumor: Region*'",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (feature("LineString", [[1, 2], [3, 4]]), 'is a "LineString"; points and polygons'),
        (feature("Point", [1, 2], plane={"c": -1, "z": 3, "t": 0}), "another plane of a stack"),
        (feature("Point", [1]), "without [x, y]"),
        (feature("MultiPoint", []), "without [x, y]"),
        (feature("Polygon", [SQUARE[:2]]), "without rings of 3 or more"),
        (feature("Point", [1, 2], name=" "), "class name is empty"),
        ({"type": "Feature", "geometry": None}, "has no geometry"),
        (feature("Point", [1, 2]) | {"properties": {"classification": {}}}, "without a name"),
    ],
)
def test_features_that_are_refused(write, wrong, message):
    (found,) = mistakes(write(feature("Point", [3, 4]), wrong))
    assert "feature 2" in found and message in found
