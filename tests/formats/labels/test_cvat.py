"""CVAT's XML: by hand after its documentation, and as datumaro writes it."""

import numpy as np
import pytest

from tests.formats.labels.reading import box_mask, drawn, mistakes, read

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n'
# https://docs.cvat.ai/docs/manual/advanced/xml_format/
SKELETON = """<skeleton label="cat" source="manual" z_order="0">
<points label="tail" source="manual" outside="1" occluded="0" points="1.00,1.00"></points>
<points label="nose" source="manual" outside="0" occluded="0" points="3.50,4.00"></points>
{more}</skeleton>"""


@pytest.fixture
def write(tmp_path):
    def write(*shapes):
        path = tmp_path / "annotations.xml"
        image = '<image id="0" name="s/a.png" width="40" height="30">\n'
        path.write_text(HEAD + image + "\n".join(shapes) + "\n</image></annotations>")
        return path

    return write


def element(tag, **attributes):
    texts = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<{tag} label="cat" source="manual" occluded="0"{texts} z_order="0"></{tag}>'


BOX = element("box", xtl="1.50", ytl="2", xbr="9.50", ybr="8")


def test_each_shape_becomes_what_the_docs_say(write):
    click = [("s/a.png", ("cat",), "click", (3.5, 4))]
    assert read(write(element("points", points="3.50,4.00"))) == click
    assert read(write(SKELETON.format(more=""))) == click
    polygon = element("polygon", points="1.00,1.00;9.50,1.00;9.00,9.00")
    ring = ((1, 1), (9.5, 1), (9, 9))
    assert read(write(polygon)) == [("s/a.png", ("cat",), "mask", ((ring,),))]
    assert read(write(BOX)) == [("s/a.png", ("cat",), "object", None)]
    middle = [("s/a.png", ("cat",), "click", (5.5, 5))]
    assert read(write(BOX), boxes_as_clicks=True) == middle
    turned = BOX.replace("ybr", 'rotation="30" ybr')
    assert read(write(turned), boxes_as_clicks=True) == middle
    assert read(write(element("tag"))) == [("s/a.png", ("cat",), "tag", None)]


def test_run_lengths_count_the_box_row_by_row(write):
    path = write(element("mask", rle="1, 2, 3, 2", left="5", top="6", width="4", height="2"))
    ((_, mask),) = drawn(path, 30, 40)
    expected = np.zeros((30, 40), bool)
    expected[6:8, 5:9] = [[0, 1, 1, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(mask, expected)


def test_several_points_are_chosen_by_the_user(write):
    path = write(element("points", points="2,4;6,8"))
    assert "line 4: points has 2 points; a click is one point" in mistakes(path)[0]
    assert read(path, keypoints="mean")[0][3] == (4, 6)
    more = '<points label="ear" outside="0" points="6,8"></points>'
    path = write(SKELETON.format(more=more))
    assert "skeleton has 2 points" in mistakes(path)[0]
    assert read(path, keypoints="ear")[0][3] == (6, 8)
    assert read(path, keypoints="first")[0][3] == (3.5, 4)
    (problem,) = mistakes(path, keypoints="leg")
    assert "leg is not a point of the skeleton; accepted: first, mean, tail, nose, ear" in problem


def test_a_point_that_is_asked_for_and_not_visible_is_no_click(write):
    path = write(SKELETON.format(more=""))  # the nose alone is visible
    assert read(path, keypoints="nose") == [("s/a.png", ("cat",), "click", (3.5, 4))]
    assert not any(kind == "click" for *_, kind, _ in read(path, keypoints="tail"))


def test_an_image_that_stands_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    image = '<image id="0" name="a.png"><tag label="{}"></tag></image>'
    path.write_text(HEAD + image.format("cat") + "\n" + image.format("dog") + "</annotations>")
    (problem,) = mistakes(path)
    assert "line 4: image 'a.png' stands on line 3, too" in problem


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (element("polyline", points="1,1;2,2"), "polyline is not read; points, skeletons"),
        (element("cuboid", points="1,1"), "cuboid is not read"),
        (element("points", points="1,x"), "no points x,y;x,y of numbers"),
        (element("points"), "no points x,y;x,y of numbers"),
        (element("polygon", points="1,1;2,2"), "is not 3 or more points"),
        (element("box", xtl="9", ytl="2", xbr="1", ybr="8"), "is not xtl, ytl, xbr, ybr"),
        (element("mask", rle="1, 2", left="5", top="6", width="4", height="2"), "rle of 3 pixels"),
        (element("mask", rle="1.5", left="5", top="6", width="1", height="1"), "of integers"),
        (element("points", points="1,1").replace("cat", " "), "has no label: class name is empty"),
        ("</box>", "is not well-formed xml"),
    ],
)
def test_shapes_that_are_refused(write, wrong, message):
    (found,) = mistakes(write(wrong), "cvat")
    assert "line 4" in found and message in found


def test_videos_and_entities_are_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(HEAD + '<track id="0" label="cat"></track></annotations>')
    assert "line 3: holds tracks of a video" in mistakes(path)[0]
    path.write_text('<!DOCTYPE a [<!ENTITY b "cc">]>\n<annotations></annotations>')
    assert "defines the entity" in mistakes(path)[0]


def test_files_of_datumaro(tmp_path):
    dm = pytest.importorskip("datumaro", reason="datumaro is not installed")
    window = np.eye(3, 4, dtype=bool)
    mask = np.zeros((30, 40), bool)
    mask[6:9, 5:9] = window
    annotations = {
        "points": [dm.Points([3.5, 4.25], label=0)],
        "polygon": [dm.Polygon([1, 1, 9.5, 1, 9, 9], label=1)],
        "tag": [dm.Label(1)],
        "mask": [dm.Mask(mask, label=0)],
        "box": [dm.Bbox(1.5, 2, 8, 6, label=0)],
    }
    items = [
        dm.DatasetItem(
            id=f"s/{name}", annotations=found, media=dm.Image.from_numpy(np.zeros((30, 40, 3)))
        )
        for name, found in annotations.items()
    ]
    dataset = dm.Dataset.from_iterable(items, categories=["cat", "dog"])
    dataset.export(str(tmp_path / "out"), "cvat", save_media=False)
    (path,) = (tmp_path / "out").glob("*.xml")
    found = {
        image.split("/")[1].split(".")[0]: fact for image, *fact in read(path, boxes_as_clicks=True)
    }
    assert found["points"] == [("cat",), "click", (3.5, 4.25)]
    assert found["polygon"] == [("dog",), "mask", ((((1, 1), (9.5, 1), (9, 9)),),)]
    assert found["tag"] == [("dog",), "tag", None]
    assert found["box"] == [("cat",), "click", (5.5, 5)]
    ((_, read_mask),) = [entry for entry in drawn(path, 30, 40) if entry[1].sum() < 10]
    np.testing.assert_array_equal(read_mask, mask)


def test_an_empty_image_is_an_image_without_objects(write):
    assert read(write()) == []


def test_an_ellipse_is_a_mask(write):
    ((_, mask),) = drawn(write(element("ellipse", cx="20", cy="15", rx="4", ry="3")), 30, 40)
    assert abs(mask.sum() - np.pi * 12) < 4 and not (mask & ~box_mask(30, 40, 16, 12, 24, 18)).any()
