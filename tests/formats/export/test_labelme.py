"""LabelMe: shapes in the order of the objects, parts of an object in one group."""

import json

import pytest

from bestie.formats import DataError
from bestie.formats.export.base import LabelledImage, LabelSet
from bestie.formats.export.labelme import write_labelme
from tests.formats.export.packages import (
    BOX,
    BOX_OUTLINE,
    EMPTY,
    TWO_PARTS,
    label_set,
    object_of,
    package,
)


def test_an_object_is_a_polygon_with_its_score(tmp_path):
    labels = label_set(tmp_path, [object_of(BOX, 1, 0.256), object_of(BOX, 0)], "day1/a.png")
    write_labelme(labels, package(tmp_path))
    content = json.loads((tmp_path / "out/day1/a.json").read_text())
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("a.png", 4, 5)
    assert (tmp_path / "out/day1/a.png").read_bytes() == b"photo"
    first, second = content["shapes"]
    assert (first["label"], second["label"]) == ("dog", "cat")
    assert [tuple(point) for point in first["points"]] == BOX_OUTLINE
    assert (first["description"], second["description"]) == ("score 0.26", "")
    assert first["group_id"] is second["group_id"] is None


def test_parts_of_an_object_share_a_group_that_no_other_object_has(tmp_path):
    objects = [object_of(TWO_PARTS), object_of(EMPTY), object_of(TWO_PARTS, 1), object_of(BOX)]
    made = package(tmp_path)
    write_labelme(label_set(tmp_path, objects), made)
    shapes = json.loads((tmp_path / "out/a.json").read_text())["shapes"]
    groups = [(shape["label"], shape["group_id"]) for shape in shapes]
    assert [label for label, _ in groups] == ["cat", "cat", "dog", "dog", "cat"]
    (first, same), (second, other) = groups[:2], groups[2:4]
    assert first == same and second == other and first[1] != second[1]
    assert groups[4][1] is None
    assert made.notes == {"objects without a pixel were left out": 1}


@pytest.mark.parametrize("name", ["__ignore__", "_background_"])
def test_classes_that_labelme_keeps_for_itself_are_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"LabelMe keeps the name {name} for itself; rename"):
        write_labelme(label_set(tmp_path, [], classes=("cat", name)), package(tmp_path))


def test_images_that_would_share_a_json_are_refused(tmp_path):
    images = [LabelledImage(name, None, (4, 5), []) for name in ("a.png", "a.jpg")]
    with pytest.raises(DataError, match="'a.png' and 'a.jpg' would share one json of LabelMe"):
        write_labelme(LabelSet(["cat"], images), package(tmp_path))
