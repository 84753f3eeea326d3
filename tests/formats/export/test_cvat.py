"""CVAT for images 1.1: polygons, and masks as the pixels of their box."""

import json
from xml.etree import ElementTree

from bestie.formats.export.cvat import write_cvat
from tests.formats.export.packages import (
    BOX,
    BOX_OUTLINE,
    EMPTY,
    RING,
    TWO_PARTS,
    label_set,
    object_of,
    package,
)


def export(folder, objects, **options):
    """The element of the only image, and the notes."""
    made = package(folder)
    write_cvat(label_set(folder, objects, **options), made)
    (image,) = ElementTree.parse(folder / "out/annotations.xml").getroot().iter("image")
    return image, made.notes


def test_an_object_of_one_part_is_a_polygon(tmp_path):
    image, notes = export(tmp_path, [object_of(BOX, 1), object_of(BOX, 0, 0.5)], name="d/a.png")
    assert image.attrib == {"id": "0", "name": "d/a.png", "width": "5", "height": "4"}
    person, model = image
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in BOX_OUTLINE)
    assert (person.tag, person.get("points"), person.get("label")) == ("polygon", points, "dog")
    assert [shape.get("source") for shape in image] == ["manual", "auto"]
    assert person.get("z_order") != model.get("z_order")
    assert notes == {} and (tmp_path / "out/images/d/a.png").read_bytes() == b"photo"


def test_holes_and_parts_are_run_lengths_of_the_box(tmp_path):
    image, notes = export(tmp_path, [object_of(RING), object_of(TWO_PARTS), object_of(EMPTY)])
    box = [
        {key: shape.get(key) for key in ("left", "top", "width", "height", "rle")}
        for shape in image
    ]
    # Row by row, zeros first: 111 101 111; and 10001.
    assert box == [
        {"left": "0", "top": "0", "width": "3", "height": "3", "rle": "0, 4, 1, 4"},
        {"left": "0", "top": "0", "width": "5", "height": "1", "rle": "0, 1, 3, 1"},
    ]
    assert [shape.tag for shape in image] == ["mask", "mask"]
    assert notes == {
        "objects have holes or several parts: written as masks, not polygons": 2,
        "objects without a pixel were left out": 1,
    }


def test_run_lengths_begin_with_zeros_and_go_on_in_the_next_row(tmp_path):
    apart = ["00000", "00010", "01000", "00000"]
    other = ["00000", "01001", "01100", "00000"]
    image, _ = export(tmp_path, [object_of(apart), object_of(other)])
    runs = [(shape.get("left"), shape.get("top"), shape.get("rle")) for shape in image]
    assert runs == [("1", "1", "2, 2, 2"), ("1", "1", "0, 1, 2, 3, 2")]


def test_names_are_escaped_and_listed_for_the_task(tmp_path):
    classes = ('a "b" & <c>', "犬")
    image, _ = export(tmp_path, [object_of(BOX)], classes=classes, name="x & <y>.png")
    assert image.get("name") == "x & <y>.png" and image[0].get("label") == classes[0]
    form = json.loads((tmp_path / "out/labels.json").read_text())
    assert [label["name"] for label in form] == list(classes)
    root = ElementTree.parse(tmp_path / "out/annotations.xml").getroot()
    assert [name.text for name in root.iter("name")] == list(classes)
    assert root.find("version").text == "1.1" and root.find("meta/task/size").text == "1"
