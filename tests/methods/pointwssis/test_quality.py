import json

import numpy as np
import pytest

from bestie.evaluation.voc_ap import Matches
from bestie.formats import encode_mask
from bestie.methods.pointwssis.quality import (
    count_refined,
    count_served,
    count_unpaired,
    measure_quality,
    precision_recall,
)
from tests.evaluation.tiny_data import OBJECTS, coco_of, write_root


def test_the_curve_counts_each_object_once():
    matches = Matches(
        classes=np.zeros(5, np.int64),
        scores=np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
        overlaps=np.array([0.6, 0.9, 0.4, 0.5, 0.0]),
        objects=np.array([0, 0, 1, 1, -1]),
        object_classes=np.zeros(4, np.int64),
    )
    recall, precision = precision_recall(matches)
    assert recall.tolist() == [25, 25, 25, 50, 50]
    assert precision == pytest.approx([100, 50, 100 / 3, 50, 40])


def test_no_detection_gives_an_empty_curve():
    empty = np.zeros(0, np.int64)
    matches = Matches(empty, empty.astype(float), empty.astype(float), empty, np.zeros(2, np.int64))
    assert [len(values) for values in precision_recall(matches)] == [0, 0]


@pytest.fixture
def files(tmp_path):
    """The truth as labels of the images, in three files."""
    name = write_root(tmp_path / "root")
    names = [f"img{number}" for number in range(len(OBJECTS))]
    coco = coco_of(names, OBJECTS)
    half = coco | {"annotations": coco["annotations"][:3]}
    paths = {"labels": tmp_path / "a.json", "refined": tmp_path / "b.json"}
    paths["labels"].write_text(json.dumps(half))
    paths["refined"].write_text(json.dumps(coco))
    return name, paths


def test_labels_are_compared_over_the_stages(files):
    name, paths = files
    found = measure_quality(paths, paths["labels"], dataset=name, subset=name, has_truth=True)
    stages = found["stages"]
    assert found["counts"] == {"labels": 3, "refined": 6}
    assert (stages["labels"]["recall"], stages["refined"]["recall75"]) == (50.0, 100.0)
    assert found["labels"]["total"]["precision"] == 100.0
    assert found["curve"]["plain"]["recall"] == pytest.approx([100 / 6, 100 / 3, 50])
    assert found["curve"]["refined"] == {"recall": [100.0], "precision": [100.0]}


def test_without_truth_only_counts_are_left(files):
    name, paths = files
    found = measure_quality(paths, paths["labels"], dataset=name, subset=name, has_truth=False)
    assert found == {"truth": False, "counts": {"labels": 3, "refined": 6}}


def write_labels(path, entries):
    images = [{"id": 1, "file_name": "x.png", "height": 4, "width": 6}]
    categories = [{"id": 1, "name": "cat"}]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "segmentation": encode_mask(mask),
            "area": int(mask.sum()),
            "bbox": [0, 0, 6, 4],
            **more,
        }
        for number, (mask, more) in enumerate(entries, 1)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def test_what_is_left_out_is_counted_by_its_reason(tmp_path):
    one, two = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    one[1, 1], two[:2, :3] = True, True
    point = {"point": [1.0, 1.0]}
    labels = write_labels(tmp_path / "a.json", [(one, point | {"clicks": 3}), (two, point)])
    # Of 6 clicks, 3 are one label, 1 is another one.
    assert list(count_served(6, labels).values()) == [2, 2]
    refined = write_labels(tmp_path / "b.json", [(~one, point), (two, point)])
    assert list(count_refined(labels, refined).values()) == [1]
    twice = write_labels(tmp_path / "e.json", [(one, point), (one, point)])
    changed = write_labels(tmp_path / "f.json", [(one, point), (two, point)])
    assert list(count_refined(twice, changed).values()) == [1]
    assert list(count_refined(twice, twice).values()) == [2]
    rough = [encode_mask(one), encode_mask(two)]
    pairs = write_labels(tmp_path / "c.json", [(two, {"rough": code}) for code in rough])
    assert list(count_unpaired([labels, refined], pairs, 2).values()) == [2, 1]
    many = write_labels(tmp_path / "g.json", [(two, {"rough": rough[0]})] * 300)
    assert list(count_unpaired([many], many, 2).values()) == [0, 300]
    plain = write_labels(tmp_path / "d.json", [(one, {})])
    assert count_served(6, plain) == {}
