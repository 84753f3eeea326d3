import numpy as np
import pytest

from bestie.evaluation.masks import LabelledMasks, annotations_by_image, mask_iou
from tests.evaluation.tiny_data import labels_of, rectangle


def test_iou_of_rectangles():
    first = labels_of([(0, 0, 0, 4, 4), (1, 0, 0, 2, 4)])
    second = labels_of([(0, 0, 0, 4, 4), (0, 0, 4, 4, 8), (0, 2, 0, 6, 4)])
    assert mask_iou(first, second).tolist() == [[1, 0, 8 / 24], [8 / 16, 0, 0]]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 2), (2, 0)])
def test_iou_without_masks(n, m):
    boxes = [(0, 0, 0, 4, 4)]
    assert mask_iou(labels_of(boxes * n), labels_of(boxes * m)).shape == (n, m)


def test_masks_of_different_sizes_are_refused():
    small = LabelledMasks.from_arrays(np.ones((1, 3, 3), bool), [0])
    with pytest.raises(ValueError, match="one size"):
        mask_iou(small, labels_of([(0, 0, 0, 4, 4)]))


def test_every_mask_format_of_coco_is_understood():
    mask = rectangle(2, 3, 8, 9)
    corners = [3, 2, 9, 2, 9, 8, 3, 8]
    runs = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)))
    counts = np.diff(np.concatenate([[0], runs, [mask.size]])).tolist()
    annotations = [
        {"category_id": 7, "segmentation": [corners, [1, 1, 2, 2]]},
        {"category_id": 7, "segmentation": {"size": [12, 20], "counts": counts}, "score": 0.5},
        {"category_id": 5, "segmentation": labels_of([(0, 2, 3, 8, 9)]).rles[0]},
    ]
    masks = LabelledMasks.from_annotations(annotations, (12, 20), {5: 0, 7: 1})
    assert masks.classes.tolist() == [1, 1, 0]
    assert masks.scores.tolist() == [1, 0.5, 1]
    assert mask_iou(masks, labels_of([(0, 2, 3, 8, 9)])).tolist() == [[1], [1], [1]]


def test_crowd_regions_are_no_objects():
    coco = {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": [{"image_id": 2, "iscrowd": 0, "id": 8}, {"image_id": 2, "iscrowd": 1}],
    }
    found = annotations_by_image(coco)
    assert found[1] == [] and [entry["id"] for entry in found[2]] == [8]
