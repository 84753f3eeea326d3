"""LabelMe's json: by hand, and as LabelMe itself writes it."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.formats.labels.reading import box_mask, drawn, mistakes, read

TRIANGLE = [[1, 1], [9.5, 1], [9, 9]]


def shape(kind, *points, label="cat", **more):
    return {"label": label, "points": list(points), "shape_type": kind, **more}


def as_base64(mask):
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def write(tmp_path):
    def write(*shapes, **content):
        path = tmp_path / "a.json"
        common = {"imagePath": "a.png", "imageHeight": 30, "imageWidth": 40, "flags": {}}
        path.write_text(json.dumps(common | {"shapes": list(shapes)} | content))
        return path

    return write


def test_each_shape_becomes_what_the_docs_say(write):
    point, polygon, box = shape("point", [3.5, 4]), shape("polygon", *TRIANGLE), None
    ring = tuple(map(tuple, TRIANGLE))
    assert read(write(point)) == [("a.png", ("cat",), "click", (3.5, 4))]
    assert read(write(polygon)) == [("a.png", ("cat",), "mask", ((ring,),))]
    box = shape("rectangle", [9, 8], [1, 2])
    assert read(write(box)) == [("a.png", ("cat",), "object", None)]
    clicked = [("a.png", ("cat",), "click", (5, 5))]
    assert read(write(box), boxes_as_clicks=True) == clicked
    turned = shape("oriented_rectangle", [5, 0], [10, 5], [5, 10], [0, 5])
    assert read(write(turned), boxes_as_clicks=True) == clicked


def test_shapes_of_a_group_are_one_object(write):
    first, second = shape("polygon", *TRIANGLE), shape("polygon", [20, 1], [29, 1], [29, 9])
    first["group_id"] = second["group_id"] = 3
    other = shape("polygon", *TRIANGLE, label="dog", group_id=3)
    found = read(write(first, other, second))
    assert [(names, len(parts)) for _, names, _, parts in found] == [(("cat",), 2), (("dog",), 1)]
    points = [shape("point", [x, 4], group_id=1) for x in (2, 6)]
    (message,) = mistakes(write(*points))
    assert "shapes 1, 2 has 2 points; a click is one point per object" in message
    assert read(write(*points), keypoints="mean") == [("a.png", ("cat",), "click", (4, 4))]


def test_a_mask_covers_both_of_its_corners(write):
    window = np.eye(3, 4, dtype=bool)
    path = write(shape("mask", [5, 6], [8, 8], mask=as_base64(window)))
    ((name, mask),) = drawn(path, 30, 40)
    expected = np.zeros((30, 40), bool)
    expected[6:9, 5:9] = window
    assert name == "cat"
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shape("linestrip", [1, 1], [2, 2]), "is a 'linestrip'; points, polygons, rectangles"),
        (shape("polygon", [1, 1], [2, 2]), "is not a polygon of 3 or more points"),
        (shape("circle", [1, 1]), "is a circle without center"),
        (shape("point", [1, 1], label="__ignore__"), "which LabelMe keeps for itself"),
        (shape("point", [1, 1], group_id="x"), "group_id that is not an integer"),
        (shape("mask", [1, 1], [2, 2], mask="???"), "not an image as base64"),
        (shape("mask", [1, 1], [2, 2], mask=as_base64(np.ones((2, 3)))), "do not enclose"),
        (shape("mask", [1, 1], [2, 2.5], mask=""), "two corners of two integers"),
    ],
)
def test_shapes_that_are_refused(write, wrong, message):
    (found,) = mistakes(write(shape("point", [3, 4]), wrong))
    assert "shape 2" in found and message in found


def test_files_of_labelme_itself(tmp_path):
    label_file = pytest.importorskip("labelme._label_file", reason="labelme is not installed")
    shapes = [
        shape("point", [3.5, 4.25], label="dot"),
        shape("polygon", *TRIANGLE),
        shape("rectangle", [1, 2], [9, 8]),
    ]
    for entry in shapes:
        entry |= {"flags": {}, "description": "", "group_id": None}
    for number, entry in enumerate(shapes):
        # By position: the names of these arguments differ between versions of LabelMe.
        path, photo = str(tmp_path / f"{number}.json"), f"{number}.png"
        label_file.LabelFile().save(path, [entry], photo, 30, 40, None, {}, {})
    found = read(tmp_path)
    assert [(image, names, kind) for image, names, kind, _ in found] == [
        ("0.png", ("dot",), "click"),
        ("1.png", ("cat",), "mask"),
        ("2.png", ("cat",), "object"),
    ]
    assert found[0][3] == (3.5, 4.25) and found[1][3] == ((tuple(map(tuple, TRIANGLE)),),)


def test_masks_are_those_of_labelme_itself(write):
    utils = pytest.importorskip("labelme.utils.shape", reason="labelme is not installed")
    window = np.eye(3, 4, dtype=bool)
    entry = shape("mask", [5, 6], [8, 8], group_id=None)
    instances = utils.shapes_to_label((30, 40), [entry | {"mask": window}], {"cat": 1})[1]
    ((_, mask),) = drawn(write(entry | {"mask": as_base64(window)}), 30, 40)
    np.testing.assert_array_equal(mask, instances > 0)
    # LabelMe draws the outline of a polygon, too: a pixel more on the right and at the bottom.
    square = shape("polygon", [2, 3], [8, 3], [8, 9], [2, 9], group_id=None)
    ((_, mask),) = drawn(write(square), 30, 40)
    np.testing.assert_array_equal(mask, box_mask(30, 40, 2, 3, 8, 9))
    instances = utils.shapes_to_label((30, 40), [square], {"cat": 1})[1]
    assert not (mask & ~(instances > 0)).any()
