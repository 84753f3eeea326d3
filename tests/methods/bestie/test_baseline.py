"""Labels without a network: components of the weak maps."""

import numpy as np
import pytest

from bestie.evaluation import evaluate_labels
from bestie.formats import Points, write_points, write_semantic_map
from bestie.methods.bestie.baseline import labels_from_components
from tests.evaluation.tiny_data import OBJECTS, write_root


def test_baseline_takes_components_for_instances(tmp_path):
    name = write_root(tmp_path)
    # The two cats of the first image touch nowhere, so every component is an object.
    coco = labels_from_components(name, min_area=1)
    assert evaluate_labels(coco, name).quality.total()["precision"] == 100
    scores = [entry["score"] for entry in coco["annotations"]]
    areas = np.array([entry["area"] for entry in coco["annotations"]])
    assert scores == pytest.approx((areas / areas.max()).tolist(), abs=1e-6)


def test_baseline_keeps_to_tags_and_minimum_area(tmp_path):
    name = write_root(tmp_path)
    pixels = np.zeros((12, 20), np.uint8)
    pixels[0:5, 0:10], pixels[0:7, 12:19], pixels[10:12, 0:20] = 1, 1, 2
    write_semantic_map(tmp_path / "WSSS_maps" / "img0.png", pixels)
    coco = labels_from_components(name, min_area=50)
    found = [
        (entry["category_id"], entry["area"])
        for entry in coco["annotations"]
        if entry["image_id"] == 101
    ]
    # 49 pixels are too few; the image is not tagged with dogs.
    assert found == [(1, 50)]


def test_baseline_without_maps_is_refused(tmp_path):
    name = write_root(tmp_path)
    (tmp_path / "WSSS_maps" / "img3.png").unlink()
    with pytest.raises(ValueError, match="img3.png: file does not exist"):
        labels_from_components(name)


def write_points_of(root, name, points):
    rows = np.array(points, float).reshape(-1, 4)
    given = Points(rows[:, :2], rows[:, 2].astype(np.int64), rows[:, 3].astype(np.float32))
    write_points(root / "points" / f"{name}.txt", given)


def test_with_points_a_component_needs_exactly_one_of_its_class_above_the_threshold(tmp_path):
    name = write_root(tmp_path)
    # img0: one cat has a point, the other two; img1: of another class; img3: too low, and one.
    write_points_of(tmp_path, "img0", [(1, 1, 0, 1), (7, 1, 0, 1), (8, 1, 0, 1)])
    write_points_of(tmp_path, "img1", [(4, 4, 0, 1)])
    write_points_of(tmp_path, "img2", [])
    write_points_of(tmp_path, "img3", [(1, 1, 0, 0.7), (1, 9, 1, 0.8)])
    write_points_of(tmp_path, "img4", [(2, 2, 1, 1), (3, 3, 1, 0.2)])
    coco = labels_from_components(name, min_area=1, points_dir=tmp_path / "points")
    found = [(e["image_id"], e["category_id"], e["area"]) for e in coco["annotations"]]
    areas = [(b - t) * (r - x) for _, t, x, b, r in (OBJECTS[0][0], OBJECTS[3][1], OBJECTS[4][0])]
    assert found == [(101, 1, areas[0]), (104, 2, areas[1]), (105, 2, areas[2])]
    assert "exactly one point" in coco["info"]["description"]


def test_an_image_without_its_point_file_is_named(tmp_path):
    name = write_root(tmp_path)
    with pytest.raises(ValueError, match="img0.txt: file does not exist"):
        labels_from_components(name, points_dir=tmp_path)
