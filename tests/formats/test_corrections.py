import json

import numpy as np
import pytest

from bestie.formats import DataError, read_coco
from bestie.formats.corrections import replace_labels
from tests.formats.export.scenes import write_scene

SQUARE = np.ones((4, 4), bool)
DOT = np.pad(np.ones((1, 1), bool), (0, 3))
NAMES = ["a.png", "day1/b.png", "day2/b.png"]


@pytest.fixture
def labels(tmp_path):
    images = {name: [(SQUARE, 0, 0.9), (SQUARE, 1, 0.2)] for name in NAMES}
    return write_scene(tmp_path / "old", images, dict.fromkeys(NAMES, (4, 4)))


def corrected(tmp_path, names, size=(4, 4), objects=1, categories=None):
    mask = np.zeros(size, bool)
    mask[0, 0] = True
    images = {name: [(mask, 2, None)] * objects for name in names}
    path = write_scene(tmp_path / "new", images, dict.fromkeys(names, size))
    if categories:
        content = json.loads(path.read_text())
        content["categories"] = [{"id": i, "name": n} for i, n in enumerate(categories, 1)]
        path.write_text(json.dumps(content))
    return path


def classes_by_image(path):
    coco = read_coco(path)
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    found = {name: [] for name in names.values()}
    for entry in coco["annotations"]:
        found[names[entry["image_id"]]].append((entry["category_id"], entry["area"]))
    return found


def test_corrected_images_get_the_new_labels_and_others_keep_theirs(tmp_path, labels):
    # The import makes the id day2_b of the name; the classes have other ids there.
    new = corrected(tmp_path, ["day2_b.png"], categories=["犬 & <co>", "cow", "cat"])
    assert replace_labels(labels, new, tmp_path / "merged.json") == (1, 1)
    old = [(1, 16), (2, 16)]
    found = classes_by_image(tmp_path / "merged.json")
    assert found == {"a.png": old, "day1/b.png": old, "day2/b.png": [(1, 1)]}
    ids = [entry["id"] for entry in read_coco(tmp_path / "merged.json")["annotations"]]
    assert ids == [1, 2, 3, 4, 5]


def test_a_corrected_image_can_lose_all_its_objects(tmp_path, labels):
    assert replace_labels(labels, corrected(tmp_path, ["a.png"], objects=0), labels) == (1, 0)
    assert classes_by_image(labels)["a.png"] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"names": ["b.png", "c.png"]}, "2 error"),
        ({"names": ["b.png"]}, "'b.png' is not an image of"),
        ({"names": ["day1/b.png", "day1_b.png"]}, "'day1/b.png' and 'day1_b.png' are one of"),
        ({"names": ["a.png"], "size": (4, 5)}, "has the size 4 x 5 .height x width., in"),
        ({"names": ["a.png"], "categories": ["cat", "dog", "cow"]}, "has the classes cow; those"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, labels, values, message):
    before = labels.read_bytes()
    with pytest.raises(DataError, match=message):
        replace_labels(labels, corrected(tmp_path, **values), labels)
    assert labels.read_bytes() == before


def test_an_id_of_several_images_is_refused(tmp_path):
    names = ["x/a.png", "x a.png"]
    old = write_scene(tmp_path / "old", {n: [] for n in names}, dict.fromkeys(names, (4, 4)))
    with pytest.raises(DataError, match="'x_a.png' is the id of several images"):
        replace_labels(old, corrected(tmp_path, ["x_a.png"]), tmp_path / "merged.json")
    # Exactly the name of one, and the id of both.
    names = ["x/a.png", "x_a.png"]
    old = write_scene(tmp_path / "old2", {n: [] for n in names}, dict.fromkeys(names, (4, 4)))
    with pytest.raises(DataError, match="'x_a.png' is the id of several images"):
        replace_labels(old, corrected(tmp_path, ["x_a.png"]), tmp_path / "merged.json")
    assert replace_labels(old, corrected(tmp_path, ["x/a.png"]), tmp_path / "merged.json") == (1, 1)
