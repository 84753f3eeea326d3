import logging
import math

import pytest

from bestie.evaluation import evaluate_labels, measure_label_quality
from bestie.evaluation.label_quality import _same_image, match_labels
from bestie.formats import write_coco
from tests.evaluation.tiny_data import OBJECTS, coco_of, labels_of, write_root

NAMES = [f"img{number}" for number in range(len(OBJECTS))]


def test_matching_is_one_to_one_and_the_best_overlap_goes_first():
    objects = labels_of([(0, 0, 0, 4, 8), (0, 4, 0, 8, 8)])
    # The first label overlaps both objects by half; the second is the first object.
    labels = labels_of([(0, 0, 0, 8, 8), (0, 0, 0, 4, 8)])
    assert match_labels(labels, objects) == [(1, 0, 1.0), (0, 1, 0.5)]
    assert match_labels(labels, objects, threshold=0.6) == [(1, 0, 1.0)]


def test_labels_of_another_class_do_not_match():
    assert match_labels(labels_of([(1, 0, 0, 4, 4)]), labels_of([(0, 0, 0, 4, 4)])) == []


def test_counts_and_means_by_hand():
    first = (
        labels_of([(0, 0, 0, 4, 6), (0, 0, 10, 4, 14), (1, 8, 0, 12, 4)]),
        labels_of([(0, 0, 0, 4, 8), (1, 8, 0, 12, 4), (1, 8, 8, 12, 12)]),
    )
    second = (labels_of([(1, 0, 0, 4, 1)]), labels_of([(1, 0, 0, 4, 4)]))
    quality = measure_label_quality([first, second], num_classes=3)
    per_class = quality.per_class(["cat", "dog", "cow"])
    assert per_class["cat"] == {
        "labels": 2,
        "objects": 1,
        "true_positives": 1,
        "false_positives": 1,
        "precision": 50,
        "recall": 100,
        "matched_iou": 75,
        "best_iou": 75,
    }
    assert per_class["dog"] == pytest.approx(
        {
            "labels": 2,
            "objects": 3,
            "true_positives": 1,
            "false_positives": 1,
            "precision": 50,
            "recall": 100 / 3,
            "matched_iou": 100,
            "best_iou": 100 * (1 + 0 + 0.25) / 3,
        }
    )
    assert "cow" not in per_class
    total = quality.total()
    assert (total["labels"], total["objects"], total["true_positives"]) == (4, 4, 2)
    assert total["matched_iou"] == pytest.approx(100 * (0.75 + 1) / 2)
    assert quality.table(["cat", "dog", "cow"]).count("\n") == 4


def test_nothing_at_all_gives_no_ratios():
    total = measure_label_quality([(labels_of([]), labels_of([]))], num_classes=2).total()
    assert total["true_positives"] == 0
    assert math.isnan(total["precision"]) and math.isnan(total["best_iou"])


def test_threshold_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\], got 0"):
        measure_label_quality([], num_classes=2, threshold=0)


@pytest.mark.parametrize("pngs", [True, False])
def test_ground_truth_itself_is_perfect(tmp_path, pngs):
    name = write_root(tmp_path / "root", pngs=pngs)
    write_coco(tmp_path / "labels.json", coco_of(NAMES, OBJECTS))
    result = evaluate_labels(tmp_path / "labels.json", name)
    total = result.quality.total()
    assert (total["labels"], total["objects"], total["true_positives"]) == (6, 6, 6)
    assert total["precision"] == total["recall"] == total["matched_iou"] == 100
    assert set(result.average_precision) == {
        *("mAP25", "mAP50", "mAP70", "mAP75"),
        *("AP", "AP50", "AP75"),
    }
    assert all(value == pytest.approx(100) for value in result.average_precision.values())
    assert result.as_dict()["total"] == total
    assert "mAP50" in result.table()


def test_images_that_the_labels_lack_count_as_missed(tmp_path, caplog, monkeypatch):
    # The tools' log set-up keeps messages from the root logger, where pytest listens.
    monkeypatch.setattr(logging.getLogger("bestie"), "propagate", True)
    name = write_root(tmp_path)
    result = evaluate_labels(coco_of(NAMES[:1], OBJECTS[:1]), name)
    assert result.quality.total()["objects"] == 6
    assert result.quality.total()["true_positives"] == 2
    assert "4 of 5 images" in caplog.text


def test_labels_without_scores_get_no_average_precision(tmp_path):
    name = write_root(tmp_path)
    coco = coco_of(NAMES, OBJECTS)
    for entry in coco["annotations"]:
        del entry["score"]
    assert evaluate_labels(coco, name).average_precision is None


def test_classes_are_told_by_their_name(tmp_path):
    name = write_root(tmp_path)
    coco = coco_of(NAMES, OBJECTS)
    new_id = {1: 18, 2: 3}
    for category in coco["categories"]:
        category["id"] = new_id[category["id"]]
    for entry in coco["annotations"]:
        entry["category_id"] = new_id[entry["category_id"]]
    assert evaluate_labels(coco, name).quality.total()["true_positives"] == 6


def test_labels_of_another_data_set_are_refused(tmp_path):
    name = write_root(tmp_path)
    with pytest.raises(ValueError, match="image id 1 is img0.png.*no such id"):
        evaluate_labels(coco_of(NAMES, OBJECTS, first_id=1), name)
    with pytest.raises(ValueError, match="image id 101 is img1.png.*img0.png"):
        evaluate_labels(coco_of(NAMES[1:], OBJECTS[1:]), name)
    coco = coco_of(NAMES, OBJECTS)
    coco["categories"][0]["name"] = "lion"
    with pytest.raises(ValueError, match=r"categories \['lion'\]"):
        evaluate_labels(coco, name)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("a.png", True),
        ("d1/a.jpg", True),
        ("photos/d1/a.png", True),
        ("d2/a.png", False),
        ("d1/b.png", False),
    ],
)
def test_an_image_is_known_by_its_name_and_folders(name, same):
    assert _same_image("/data/photos/d1/a.png", name, "/data/photos") == same
