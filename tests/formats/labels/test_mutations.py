"""Label files with any value changed: read or refused, never a traceback or a silent change.

An independent, much simpler reading of the same file says which clicks it holds; where the reader
accepts a file, it must find exactly those.
"""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.registry import FORMATS, read_labels

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 99),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["1", "1.0", "cat ", "Cat", "\0", "a.png", "7,5", "1_0", "[]", 10**400]),
    st.lists(st.integers(0, 9), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
IMAGES = [{"id": i, "file_name": f"{i}.png", "height": 48, "width": 64} for i in (1, 2)]
COCO = {
    "images": IMAGES,
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [3, 4, 2], "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "point": [5.5, 6], "bbox": [1, 1, 9, 9]},
    ],
}
LABELME = {
    "imagePath": "1.png",
    "imageHeight": 48,
    "imageWidth": 64,
    "flags": {"done": True},
    "shapes": [
        {"label": name, "points": [[x, 4]], "shape_type": "point", "flags": {}}
        for name, x in (("cat", 3), ("dog", 5.5))
    ],
}
KEYPOINT = {"x": 50, "y": 25, "original_width": 64, "original_height": 48}
STUDIO = {
    "heading": ["annotation_id", "annotator", "id", "image", "label", "lead_time"],
    "row": ["1", "1", "1", "/data/local-files/?d=1.png", "", "1.0"],
    "cell": [KEYPOINT | {"keypointlabels": [name]} for name in ("cat", "dog")],
}
TABLE = [["image", "x", "y", "class"], ["1.png", "3", "4", "cat"], ["2.png", "5.5", "6", "dog"]]


def places_of(content, path=()):
    """Paths of all values of a json."""
    yield path
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            yield from places_of(value, (*path, key))


def mutated(content, path, value, remove):
    """A copy with one value replaced, or removed."""
    if not path:
        return value
    copy = json.loads(json.dumps(content))
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    if remove:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


def written_table(rows):
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    return file.getvalue()


def coco_clicks(content):
    """Clicks of a COCO dict, read without any check."""
    images = {str(float(i["id"])): i["file_name"] for i in content["images"]}
    names = {str(float(c["id"])): c["name"].strip() for c in content["categories"]}
    for entry in content["annotations"]:
        if str(entry.get("iscrowd") or 0) in ("0", "0.0", "False"):
            point = entry.get("keypoints") or entry.get("points") or entry.get("point")
            point = point[0] if isinstance(point[0], list) else point
            visible = len(point) == 2 or point[2]
            image = images[str(float(entry["image_id"]))]
            name = names[str(float(entry["category_id"]))]
            yield from [(image, float(point[0]), float(point[1]), name)] * bool(visible)


def labelme_clicks(content):
    for shape in content["shapes"]:
        x, y = map(float, shape["points"][0])
        yield content["imagePath"].replace("\\", "/"), x, y, shape["label"].strip()


def studio_clicks(content):
    cell = content["cell"] if isinstance(content["cell"], list) else [content["cell"]]
    for entry in cell:
        x = float(entry["x"]) / 100 * float(entry["original_width"])
        y = float(entry["y"]) / 100 * float(entry["original_height"])
        yield "1.png", x, y, entry["keypointlabels"][0].strip()


def table_clicks(content):
    for image, x, y, name in (map(str.strip, row[:4]) for row in content[1:]):
        if x or y or name:
            yield image, float(x), float(y), name


def studio_text(content):
    row = [*content["row"][:4], json.dumps(content["cell"]), content["row"][5]]
    return written_table([content["heading"], row])


# Format -> an example, the paths that change, its text, its clicks.
CASES = {
    "coco": (COCO, (), json.dumps, coco_clicks),
    "labelme": (LABELME, (), json.dumps, labelme_clicks),
    "label studio": (STUDIO, ("cell",), studio_text, studio_clicks),
    "csv": (TABLE, (1, 2), written_table, table_clicks),
}


def check_one(name, folder, data):
    example, inside, text, clicks = CASES[name]
    places = [p for p in places_of(example) if not inside or (p and p[0] in inside)]
    if name == "csv":
        places = [p for p in places if len(p) == 2]
    place = data.draw(st.sampled_from(places))
    value = data.draw(st.text(max_size=8) if name == "csv" else VALUES)
    remove = data.draw(st.booleans()) and name != "label studio"
    content = mutated(example, place, value, remove)
    path = Path(folder, "labels.csv" if name in ("csv", "label studio") else "labels.json")
    path.write_bytes(text(content).encode("utf-8", "surrogatepass"))
    reader = name.replace(" ", "-")
    assert reader in FORMATS
    labels = read_labels(path, reader, ReadOptions())
    if labels.problems or not labels.clicked:
        return
    found = [(row.image, *row.xy, *row.classes) for row in labels.rows if row.xy is not None]
    assert found == list(clicks(content)), (place, value)


def run(name, folder, examples):
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def every_change(data):
        check_one(name, folder, data)

    every_change()


@pytest.mark.parametrize("name", CASES)
def test_a_changed_value_is_read_or_refused(name, tmp_path):
    run(name, tmp_path, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_ten_thousand_changed_values(name, tmp_path):
    run(name, tmp_path, 10_000)
