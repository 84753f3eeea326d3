from bestie.evaluation import summarize_labels
from tests.evaluation.tiny_data import OBJECTS, coco_of


def test_counts_by_hand():
    coco = coco_of([f"img{number}" for number in range(len(OBJECTS))], OBJECTS)
    for entry, score in zip(coco["annotations"], [0, 0.1, 0.95, 1, 0.5, 0.55], strict=True):
        entry["score"] = score
    summary = summarize_labels(coco)
    assert (summary.labels, summary.images, summary.images_without_labels) == (6, 5, 1)
    assert summary.labels_per_class == {"cat": 3, "dog": 3}
    assert summary.mean_instances == 1.2 and summary.max_instances == 2
    assert list(summary.instances_per_image.values())[:3] == [1, 2, 2]
    assert summary.scores == [1, 1, 0, 0, 0, 2, 0, 0, 0, 2]
    assert "6 labels on 5 images; 1 images without labels" in summary.table()


def test_instances_per_image_are_counted_up_to_any_number():
    objects = [[(0, y, x, y + 1, x + 1) for y in range(12) for x in range(20)]]
    summary = summarize_labels(coco_of(["img0"], objects))
    assert list(summary.instances_per_image.items())[-2:] == [("51-100", 0), ("101+", 1)]


def test_no_labels():
    summary = summarize_labels(coco_of(["img0"], [[]]))
    assert summary.images_without_labels == 1 and sum(summary.scores) == 0
    assert "(2 other classes)" in summary.table()
