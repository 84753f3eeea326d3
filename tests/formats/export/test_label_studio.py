"""Label Studio: tasks with predictions in percent of the image."""

import json
from xml.etree import ElementTree

import pytest

from bestie.formats.export.label_studio import write_label_studio
from tests.formats.export.packages import (
    BOX,
    BOX_OUTLINE,
    EMPTY,
    TWO_PARTS,
    label_set,
    object_of,
    package,
)


def export(folder, objects, **options):
    """The only task, and the notes."""
    made = package(folder)
    write_label_studio(label_set(folder, objects, **options), made)
    (task,) = json.loads((folder / "out/tasks.json").read_text())
    return task, made.notes


def test_a_region_is_a_polygon_in_percent(tmp_path):
    task, notes = export(tmp_path, [object_of(BOX, 1, 0.5)])
    ((region,),) = [prediction["result"] for prediction in task["predictions"]]
    assert (region["original_width"], region["original_height"]) == (5, 4)
    assert region["value"]["polygonlabels"] == ["dog"] and region["score"] == 0.5
    expected = [pytest.approx((100 * x / 5, 100 * y / 4)) for x, y in BOX_OUTLINE]
    assert [tuple(point) for point in region["value"]["points"]] == expected
    assert notes == {}


def test_the_score_of_a_task_is_the_mean_of_its_regions(tmp_path):
    objects = [object_of(BOX, 0, 0.5), object_of(TWO_PARTS, 0, 0.75), object_of(EMPTY, 0, 0.05)]
    task, notes = export(tmp_path, [*objects, object_of(BOX)])
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.625
    assert [region.get("score") for region in prediction["result"]] == [0.5, 0.75, None]
    assert len({region["id"] for region in prediction["result"]}) == 3
    assert notes["objects without a pixel were left out"] == 1


def test_labels_without_scores_give_no_score(tmp_path):
    task, _ = export(tmp_path, [object_of(BOX)])
    assert "score" not in task["predictions"][0]


def test_addresses_are_quoted_and_the_photo_lies_there(tmp_path):
    task, _ = export(tmp_path, [], name="day 1/a#?&.png")
    address = "/data/local-files/?d=images/day%201/a%23%3F%26.png"
    assert task["data"] == {"image": address} and task["predictions"][0]["result"] == []
    assert (tmp_path / "out/images/day 1/a#?&.png").read_bytes() == b"photo"


def test_the_configuration_names_the_classes_that_regions_refer_to(tmp_path):
    classes = ('a "b" & <c>', "犬")
    task, _ = export(tmp_path, [object_of(BOX)], classes=classes)
    view = ElementTree.parse(tmp_path / "out/config.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == list(classes)
    (region,) = task["predictions"][0]["result"]
    assert view.find("PolygonLabels").get("name") == region["from_name"]
    assert view.find("Image").get("name") == region["to_name"]
    assert view.find("PolygonLabels").get("toName") == region["to_name"]
