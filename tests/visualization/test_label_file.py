"""Annotations of chosen images, from COCO json and from lists of results."""

import json

import pytest

from bestie.formats import DataError
from bestie.visualization.label_file import read_label_file

RECORDS = [{"file_name": "/data/a.jpg", "image_id": 7}, {"file_name": "/data/b.jpg", "image_id": 8}]
SQUARE = [[1, 1, 4, 1, 4, 4, 1, 4]]


def annotation(number, image_id, category_id, **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [1, 1, 3, 3],
        "area": 9,
        "iscrowd": 0,
        "segmentation": SQUARE,
    } | more


def write_coco(path, *annotations, names=("dog", "cat")):
    images = [
        {"id": number, "file_name": f"{stem}.png", "height": 9, "width": 9}
        for number, stem in ((1, "b"), (2, "c"))
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    content = {"images": images, "categories": categories, "annotations": list(annotations)}
    path.write_text(json.dumps(content))
    return path


def test_images_and_classes_of_a_json_are_matched_by_name(tmp_path):
    path = write_coco(tmp_path / "a.json", annotation(1, 1, 1), annotation(2, 2, 2))
    labels = read_label_file(path, RECORDS, ["cat", "dog"])
    assert labels.by_name and labels.of(RECORDS[0]) == []
    (found,) = labels.of(RECORDS[1])
    assert (found["class_id"], found["score"], found["segmentation"]) == (1, None, SQUARE)


def test_results_are_matched_by_id(tmp_path):
    row = {"image_id": 7, "category_id": 2, "score": 0.5, "segmentation": SQUARE}
    (tmp_path / "r.json").write_text(json.dumps([row, row | {"image_id": 99}]))
    labels = read_label_file(tmp_path / "r.json", RECORDS, ["cat", "dog"])
    (found,) = labels.of(RECORDS[0])
    assert (found["class_id"], found["score"]) == (1, 0.5) and labels.of(RECORDS[1]) == []


def test_files_of_other_data_are_refused(tmp_path):
    path = write_coco(tmp_path / "a.json", annotation(1, 1, 1), names=("dog", "fox"))
    with pytest.raises(DataError, match="categories that the data set does not have: fox"):
        read_label_file(path, RECORDS, ["cat", "dog"])
    with pytest.raises(DataError, match="holds none of the 1 images"):
        read_label_file(path, RECORDS[:1], ["dog", "fox"])


def test_a_model_that_found_nothing_leaves_an_empty_list(tmp_path):
    (tmp_path / "r.json").write_text("[]")
    assert read_label_file(tmp_path / "r.json", RECORDS, ["cat"]).of(RECORDS[0]) == []


def test_results_of_other_images_are_refused(tmp_path):
    row = {"image_id": 4, "category_id": 1, "score": 0.5, "segmentation": SQUARE}
    (tmp_path / "r.json").write_text(json.dumps([row]))
    with pytest.raises(DataError, match="holds none of the 2 images"):
        read_label_file(tmp_path / "r.json", RECORDS, ["cat"])


def in_folders(path, *names):
    """A COCO JSON of images with these names and one object each, in a category of its own."""
    content = {
        "images": [
            {"id": i, "file_name": name, "height": 9, "width": 9} for i, name in enumerate(names, 1)
        ],
        "categories": [{"id": i, "name": f"c{i}"} for i in range(1, len(names) + 1)],
        "annotations": [annotation(i, i, i) for i in range(1, len(names) + 1)],
    }
    path.write_text(json.dumps(content))
    return path


def test_images_of_the_same_name_in_two_folders_stay_apart(tmp_path):
    records = [{"file_name": f"/photos/{name}.png", "image_id": 1} for name in ("d1/a", "d2/a")]
    path = in_folders(tmp_path / "a.json", "d2/a.jpg", "d1/a.jpg", "photos/d3/a.jpg")
    labels = read_label_file(path, records, ["c1", "c2", "c3"])
    assert [[row["class_id"] for row in labels.of(record)] for record in records] == [[1], [0]]
    one = read_label_file(path, records[:1], ["c1", "c2", "c3"])
    assert [row["class_id"] for row in one.of(records[0])] == [1]
    with pytest.raises(DataError, match="'a.png' stands for several"):
        read_label_file(in_folders(path, "a.png"), records, ["c1"])
    with pytest.raises(DataError, match="several of its images for /photos/d1/a.png"):
        read_label_file(in_folders(path, "d1/a.png", "d1/a.jpg"), records[:1], ["c1", "c2"])
    with pytest.raises(DataError, match="holds none of the 1 images"):
        read_label_file(in_folders(path, "d2/a.png"), records[:1], ["c1"])


def classes_of(path, names, files, chosen=None):
    """Classes of the labels of the chosen ones of these files; all, if omitted."""
    records = [{"file_name": file, "image_id": 1} for file in files]
    shown = [record for record in records if record["file_name"] in (chosen or files)]
    class_names = [f"c{i}" for i in range(1, len(names) + 1)]
    labels = read_label_file(
        in_folders(path, *names), shown, class_names, all_records=records if chosen else None
    )
    return [[row["class_id"] for row in labels.of(record)] for record in shown]


def test_a_bare_name_that_stands_for_an_image_not_shown_is_refused(tmp_path):
    path, files = tmp_path / "a.json", ["/p/d1/a.png", "/p/d2/a.png", "/p/d2/b.png"]
    with pytest.raises(DataError, match="'a.png' stands for several"):
        classes_of(path, ["a.png"], files, chosen=files[:1])
    assert classes_of(path, ["a.png", "b.png"], files, chosen=files[2:]) == [[1]]


def test_an_image_beside_a_folder_with_one_of_its_name_stays_apart(tmp_path):
    path, files = tmp_path / "a.json", ["/p/a.png", "/p/d1/a.png"]
    assert classes_of(path, ["a.png", "d1/a.png"], files) == [[0], [1]]
    assert classes_of(path, ["d1/a.png", "a.png"], files) == [[1], [0]]
    assert classes_of(path, ["a.png", "d1/a.png"], files[1:]) == [[1]]
    # "a" beside "d1/a" is an image of the upper folder, not that of another one.
    with pytest.raises(DataError, match="'a.png' stands for several"):
        classes_of(path, ["a.png", "d1/a.png"], ["/p/d1/a.png", "/p/d2/a.png"])
