"""VIA's CSV and json, by hand after the files that VIA 2.0.12 writes (it is a web page)."""

import csv
import json

import numpy as np
import pytest

from tests.formats.labels.reading import drawn, mistakes, read

POINT = {"name": "point", "cx": 3, "cy": 4}
POLYGON = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
RECTANGLE = {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 6}
HEADINGS = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"


@pytest.fixture(params=["csv", "json", "project", "version 1"])
def write(request, tmp_path):
    def write(*shapes, attributes=None, file_attributes=None):
        regions = [
            {"shape_attributes": shape, "region_attributes": attributes or {"class": "cat"}}
            for shape in shapes
        ]
        if request.param == "csv":
            return write_csv(tmp_path / "via.csv", regions, file_attributes or {})
        if request.param == "version 1":
            regions = {str(number): region for number, region in enumerate(regions)}
        entry = {"filename": "a.png", "size": 123, "regions": regions}
        content = {"a.png123": entry | {"file_attributes": file_attributes or {}}}
        if request.param == "project":
            content = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {}}
        path = tmp_path / "via.json"
        path.write_text(json.dumps(content))
        return path

    return write


def write_csv(path, regions, file_attributes):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((HEADINGS + "region_attributes").split(","))
        common = ["a.png", "123", json.dumps(file_attributes), str(len(regions))]
        for number, region in enumerate(regions):
            writer.writerow([*common, str(number), *map(json.dumps, region.values())])
        if not regions:
            writer.writerow([*common, "0", "{}", "{}"])
    return path


def test_each_shape_becomes_what_the_docs_say(write):
    assert read(write(POINT)) == [("a.png", ("cat",), "click", (3, 4))]
    ring = ((1, 1), (9, 1), (9, 9))
    assert read(write(POLYGON)) == [("a.png", ("cat",), "mask", ((ring,),))]
    assert read(write(RECTANGLE)) == [("a.png", ("cat",), "object", None)]
    assert read(write(RECTANGLE), boxes_as_clicks=True)[0][3] == (5, 5)
    ((_, circle),) = drawn(write({"name": "circle", "cx": 20, "cy": 15, "r": 8}), 30, 40)
    assert abs(circle.sum() - np.pi * 64) < 8
    ellipse = {"name": "ellipse", "cx": 20, "cy": 15, "rx": 8, "ry": 3, "theta": np.pi / 2}
    ((_, found),) = drawn(write(ellipse), 30, 40)
    assert np.ptp(np.nonzero(found)[0]) + 1 == 16
    assert read(write(file_attributes={"class": "cat"})) == [("a.png", ("cat",), "tag", None)]
    assert read(write()) == []


def test_the_class_is_the_attribute_that_can_be_it_or_that_is_named(write):
    clicks = [("a.png", ("cat",), "click", (3, 4))]
    assert read(write(POINT, attributes={"species": "cat"})) == clicks
    assert read(write(POINT, attributes={"label": "cat", "note": "x"})) == clicks
    assert read(write(POINT, attributes={"class": {"cat": True}})) == clicks
    path = write(POINT, attributes={"species": "cat", "note": "x"})
    assert "--attribute NAME says which one is the class" in mistakes(path)[0]
    assert read(path, attribute="species") == clicks
    for wrong in ("Species", "other"):
        (mistake,) = mistakes(path, attribute=wrong, class_name="cat")
        found = f"has no labels of --attribute '{wrong}'; found: 'species', 'note'"
        assert mistake.endswith(found)
    path = write(POINT, attributes={"species": "", "note": "x"})
    assert "names no class; --class NAME" in mistakes(path, attribute="species")[0]
    assert read(path, attribute="species", class_name="cat") == clicks
    path = write(POINT, attributes={"class": {"cat": True, "dog": True}})
    assert "a class that is not one name" in mistakes(path)[0]


def write_regions(folder, *attributes):
    regions = [{"shape_attributes": POINT, "region_attributes": found} for found in attributes]
    path = folder / "via.json"
    path.write_text(json.dumps({"a.png123": {"filename": "a.png", "regions": regions}}))
    yield path
    yield write_csv(folder / "via.csv", regions, {})


def test_the_regions_of_a_file_have_one_attribute_as_class(tmp_path):
    click = ("a.png", ("cat",), "click", (3, 4))
    for path in write_regions(tmp_path, {"kind": "cat"}, {"occluded": "yes"}):
        (found,) = mistakes(path)
        assert "has regions with the attributes 'kind', 'occluded'; --attribute NAME" in found
        assert "names no class" in mistakes(path, attribute="kind")[0]
    for path in write_regions(tmp_path, {"class": "cat"}, {"occluded": "yes"}):
        assert "names no class" in mistakes(path)[0]
        assert read(path, class_name="dog") == [click, ("a.png", ("dog",), *click[2:])]
    for path in write_regions(tmp_path, {"class": "cat"}, {"label": "new"}):
        assert "the attributes 'class', 'label'; --attribute NAME" in mistakes(path)[0]
    for path in write_regions(tmp_path, {"kind": "cat"}, {"kind": "cat"}):
        assert read(path) == [click, click]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]},
        POINT | {"cx": "x"},
        POLYGON | {"all_points_x": [1, 9]},
        RECTANGLE | {"width": -1},
        {"cx": 1, "cy": 2},
    ],
)
def test_shapes_that_are_refused(write, wrong):
    (found,) = mistakes(write(POINT, wrong))
    assert "has the shape" in found and "points, rectangles, polygons" in found


def test_two_files_of_one_name_are_refused(tmp_path):
    """VIA tells them apart by their sizes; a label needs the image that it means."""
    entry = {"filename": "a.png", "regions": [], "file_attributes": {"class": "cat"}}
    (tmp_path / "a.json").write_text(json.dumps({"a.png100": entry, "a.png200": entry}))
    (problem,) = mistakes(tmp_path / "a.json")
    assert "file 'a.png200' is another 'a.png' than file 'a.png100'" in problem
    row = 'a.png,{},"{{""class"": ""cat""}}",0,0,{{}},{{}}'
    lines = [HEADINGS + "region_attributes", row.format(100), row.format(100), row.format(200)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    (problem,) = mistakes(tmp_path / "a.csv")
    assert "line 4: is another 'a.png' than the one of 100 bytes" in problem
