"""The format of labels is found from their content; what could be several is asked."""

import json

import pytest

from bestie.formats import DataError
from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.registry import FORMATS, _detect, read_labels
from tests.formats.labels.mutation_cases import CASES


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("in_folder", [False, True])
def test_each_format_is_recognized(name, in_folder, tmp_path):
    case = CASES[name]
    (tmp_path / "labels").mkdir()
    path = tmp_path / "labels" / case.file
    case.write(path, case.example)
    if not in_folder:
        assert _detect(path) == case.format
    elif FORMATS[case.format].is_of_folders:
        assert _detect(path.parent) == case.format


def test_a_folder_of_two_formats_is_asked(tmp_path):
    for name in ("labelme", "cvat"):
        CASES[name].write(tmp_path / CASES[name].file, CASES[name].example)
    with pytest.raises(DataError, match=r"several formats: .*cvat \(1.xml\)"):
        read_labels(tmp_path)
    assert read_labels(tmp_path, "cvat").problems == []


def test_a_json_of_two_formats_is_asked(tmp_path):
    content = CASES["coco"].example | {"imagePath": "a.png", "shapes": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="several formats: coco .* labelme"):
        read_labels(tmp_path / "a.json")
    assert read_labels(tmp_path / "a.json", "coco").problems == []


def test_what_is_no_format_is_named(tmp_path):
    (tmp_path / "a.doc").write_text("x")
    for path in (tmp_path / "a.doc", tmp_path):
        with pytest.raises(DataError, match="format is not known; a table, COCO, LabelMe, CVAT"):
            read_labels(path)
    with pytest.raises(DataError, match="is a folder; COCO is one file"):
        read_labels(tmp_path, "coco", ReadOptions())


def test_other_texts_beside_labels_are_no_labels(tmp_path):
    CASES["labelme"].write(tmp_path / "1.json", CASES["labelme"].example)
    (tmp_path / "notes.txt").write_text("5 images of cats, taken in 2024\n")
    (tmp_path / "list.csv").write_text("image,class\n1.png,cat\n")
    (tmp_path / "backup.zip").write_bytes(b"PK of something else")
    assert _detect(tmp_path) == "labelme"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReadOptions(keypoints="first"), r"--keypoints has no effect: .* is read as a table"),
        (ReadOptions(boxes_as_clicks=True), "--boxes-as-clicks has no effect"),
        (ReadOptions(flags_are_tags=True), "--flags-are-tags has no effect.* matters to LabelMe"),
        (ReadOptions(attribute="kind"), "--attribute has no effect.* Label Studio, VIA"),
    ],
)
def test_an_option_without_effect_is_refused(options, message, tmp_path):
    (tmp_path / "a.csv").write_text("image,x,y,class\na.png,1,2,cat\n")
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "a.csv", None, options)


def clicks_in(format, clicks):
    """A file of clicks on one image."""
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "point": list(xy)} for xy in clicks],
    }
    shapes = [{"label": "cat", "shape_type": "point", "points": [list(xy)]} for xy in clicks]
    regions = [
        {
            "shape_attributes": {"name": "point", "cx": x, "cy": y},
            "region_attributes": {"class": "cat"},
        }
        for x, y in clicks
    ]
    points = "".join(f'<points label="cat" points="{x},{y}"/>' for x, y in clicks)
    return {
        "csv": "image,x,y,class\n" + "".join(f"a.png,{x},{y},cat\n" for x, y in clicks),
        "coco": json.dumps(coco),
        "labelme": json.dumps({"imagePath": "a.png", "shapes": shapes}),
        "via": json.dumps({"a.png": {"filename": "a.png", "regions": regions}}),
        "cvat": f'<annotations><image name="a.png">{points}</image></annotations>',
    }[format]


@pytest.mark.parametrize("format", ["csv", "coco", "labelme", "via", "cvat"])
def test_shares_of_the_image_are_no_pixels(format, tmp_path):
    path = tmp_path / f"a{FORMATS[format].suffixes[0]}"
    for shares in ([(0.25, 0.5)], [(0, 1), (0.5, 0.5)]):
        path.write_text(clicks_in(format, shares))
        (mistake,) = map(str, read_labels(path).problems)
        assert f"x {shares[-1][0]}, y 0.5: all coordinates lie in [0, 1]; pixels are" in mistake
    for pixels in ([(0, 0)], [(1, 1)], [(0, 1), (1, 0)], [(0.5, 0.5), (1.5, 0)]):
        path.write_text(clicks_in(format, pixels))
        assert read_labels(path).problems == []


@pytest.mark.parametrize("name", ["yolo", "napari", "label-studio"])
def test_a_click_on_the_first_pixel_is_one_where_files_have_no_pixels(name):
    assert not FORMATS[name].is_in_pixels


@pytest.mark.parametrize("choice", ["first", "mean", "nose"])
@pytest.mark.parametrize("format", ["coco", "labelme", "cvat"])
def test_keypoints_need_an_object_of_several_points(format, choice, tmp_path):
    path = tmp_path / f"a{FORMATS[format].suffixes[0]}"
    path.write_text(clicks_in(format, [(3, 4), (5, 6)]))
    with pytest.raises(ValueError, match="--keypoints has no effect: no object of .* several"):
        read_labels(path, None, ReadOptions(keypoints=choice))
