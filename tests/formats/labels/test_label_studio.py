"""Label Studio's exports: by hand after its documentation, and with the code of its SDK."""

import csv
import json

import numpy as np
import pytest

from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.registry import read_labels
from tests.formats.labels.reading import drawn, mistakes, read

SIZE = {"original_width": 40, "original_height": 30, "image_rotation": 0}
KEYPOINT = {"x": 50, "y": 25, "width": 0.3, "keypointlabels": ["cat"]}
POLYGON = {"points": [[5, 10], [55, 10], [55, 50]], "closed": True, "polygonlabels": ["cat"]}
RECTANGLE = {"x": 10, "y": 20, "width": 50, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
ELLIPSE = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": 0, "ellipselabels": ["cat"]}


def result(value, **fields):
    kind = next(key for key in value if key.endswith("labels") or key == "choices")
    fields = SIZE | {"id": "x", "from_name": "label", "to_name": "image", "type": kind} | fields
    return fields | {"value": value}


def task(*results, image="a.png", **fields):
    annotation = {"id": 1, "completed_by": 1, "was_cancelled": False, "result": list(results)}
    return {"id": 1, "data": {"image": image}, "annotations": [annotation]} | fields


@pytest.fixture
def write(tmp_path):
    def write(*tasks):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(list(tasks)))
        return path

    return write


@pytest.fixture(params=["json", "json-min", "csv"])
def write_value(request, tmp_path, write):
    """One region in each export."""

    def write_value(value):
        if request.param == "json":
            return write(task(result(value)))
        own = {"id": 1, "annotator": 1, "annotation_id": 1, "lead_time": 2.5}
        row = own | {"image": "a.png", "label": [value | SIZE]}
        if request.param == "json-min":
            return write(row)
        path = tmp_path / "export.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row | {"label": json.dumps(row["label"])})
        return path

    return write_value


def test_each_region_becomes_what_the_docs_say(write_value):
    assert read(write_value(KEYPOINT)) == [("a.png", ("cat",), "click", (20, 7.5))]
    ((name, mask),) = drawn(write_value(POLYGON), 30, 40)
    assert name == "cat" and abs(mask.sum() - 20 * 12 / 2) < 12
    assert read(write_value(RECTANGLE)) == [("a.png", ("cat",), "object", None)]
    middle = read(write_value(RECTANGLE), boxes_as_clicks=True)[0][3]
    assert middle == pytest.approx((4 + 10, 6 + 3))
    # A quarter turn about the first corner, clockwise: the box lies to its left.
    turned = read(write_value(RECTANGLE | {"rotation": 90}), boxes_as_clicks=True)[0][3]
    assert turned == pytest.approx((4 - 3, 6 + 10))
    ((_, mask),) = drawn(write_value(ELLIPSE), 30, 40)
    assert abs(mask.sum() - np.pi * 4 * 6) < 5


def test_choices_are_tags(write):
    choices = result({"choices": ["cat", "dog"]})
    assert read(write(task(choices))) == [("a.png", ("cat", "dog"), "tag", None)]
    row = {"image": "a.png", "choice": "cat", "annotation_id": 1}
    assert read(write(row)) == [("a.png", ("cat",), "tag", None)]
    path = write({"image": "a.png", "patient": "anna", "annotation_id": 1})
    assert "column patient: could be a class or anything else" in mistakes(path)[0]
    assert read(path, attribute="patient") == [("a.png", ("anna",), "tag", None)]


def of(control, *choices):
    return result({"choices": list(choices)}, from_name=control)


def test_of_several_controls_one_must_be_named(write):
    path = write(task(of("animal", "cat"), of("quality", "good")))
    (found,) = mistakes(path)
    assert "choices of several controls ('animal', 'quality'); --attribute NAME" in found
    assert read(path, attribute="animal") == [("a.png", ("cat",), "tag", None)]
    labels = read_labels(path, None, ReadOptions(attribute="animal"))
    assert labels.notes == ["1 results of 'quality' are not used (--attribute animal)"]
    (found,) = mistakes(path, attribute="species")
    assert "no labels of --attribute 'species'; found: 'animal', 'quality'" in found
    points = [result(KEYPOINT, from_name=name) for name in ("animal", "pose")]
    path = write(task(points[0]), task(points[1], image="b.png"))
    assert "keypointlabels of several controls ('animal', 'pose')" in mistakes(path)[0]
    assert read(path, attribute="pose") == [("b.png", ("cat",), "click", (20, 7.5))]


def test_of_several_columns_one_must_be_named(write, tmp_path):
    row = {"image": "a.png", "choice": "cat", "label_quality": "good", "annotation_id": 1}
    table = tmp_path / "export.csv"
    table.write_text(f"{','.join(row)},annotator,lead_time\na.png,cat,good,1,1,1\n")
    quality = {"choices": ["good"]}
    for path in (table, write(row), write(row | {"label_quality": quality})):
        (found,) = mistakes(path)
        assert "choices of several controls ('choice', 'label_quality')" in found
        assert read(path, attribute="choice") == [("a.png", ("cat",), "tag", None)]
        assert read(path, attribute="label_quality") == [("a.png", ("good",), "tag", None)]
        for wrong in ("other", "image", "annotation_id"):
            (found,) = mistakes(path, attribute=wrong)
            assert f"--attribute '{wrong}'; found: 'choice', 'label_quality'" in found


def test_choices_that_no_region_has_are_another_question(write):
    box = result(RECTANGLE, from_name="animal")
    path = write(task(box, of("quality", "good")))
    assert "choices and regions of several classes ('animal', 'quality')" in mistakes(path)[0]
    assert read(path, attribute="animal") == [("a.png", ("cat",), "object", None)]
    boxes = write(task(box, of("quality", "cat")))
    assert len(read(boxes)) == 2
    polygon = result(POLYGON, from_name="outline")
    assert len(read(write(task(box), task(polygon, image="b.png")))) == 2


def test_tasks_that_nobody_labelled_are_no_images_without_objects(write):
    empty, cancelled = task(image="b.png"), task(image="c.png", annotations=[])
    cancelled["annotations"] = [{"was_cancelled": True, "result": []}]
    labels = read_labels(write(task(result(KEYPOINT)), empty, cancelled))
    assert [row.image for row in labels.rows] == ["a.png", "a.png", "b.png"]


def test_results_that_are_not_labels_are_noted(write):
    text = SIZE | {"type": "textarea", "value": {"text": ["x"]}}
    labels = read_labels(write(task(result(KEYPOINT), text, {"type": "relation"})))
    assert labels.problems == []
    assert labels.notes == [
        "1 results of the type textarea are not used",
        "1 results of the type relation are not used",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (task(result(KEYPOINT | {"keypointlabels": []})), "with one label"),
        (task(result(KEYPOINT), result(KEYPOINT, original_width=0)), "with one label"),
        (task(result(KEYPOINT, image_rotation=90)), "was turned in Label Studio"),
        (task(result(POLYGON | {"closed": False})), "is not a closed polygon"),
        (task(result(KEYPOINT | {"x": "a"})), "x and y are not two numbers"),
        (task(result(RECTANGLE | {"width": -1})), "is not a rectangle"),
        (task(annotations=[{"result": []}] * 2), "has 2 annotations; export one per image"),
        (task(data={"text": "a"}), "one column of images"),
        (task(image=" "), "not the name of a file"),
    ],
)
def test_tasks_that_are_refused(write, wrong, message):
    (found,) = mistakes(write(wrong))
    assert "task 1" in found and message in found


def test_csv_of_the_sdk(tmp_path):
    converter = pytest.importorskip(
        "label_studio_sdk.converter", reason="label-studio-sdk is not installed"
    )
    config = """<View><Image name="image" value="$image"/><KeyPointLabels name="label"
    toName="image"><Label value="cat"/></KeyPointLabels></View>"""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.json").write_text(json.dumps(task(result(KEYPOINT), created_at="x")))
    made = converter.Converter(config=config, project_dir=str(tmp_path))
    made.convert_to_csv(str(source), output_dir=str(tmp_path / "out"), sep=",", header=True)
    (path,) = (tmp_path / "out").glob("*.csv")
    assert read(path, "label-studio") == [("a.png", ("cat",), "click", (20, 7.5))]
