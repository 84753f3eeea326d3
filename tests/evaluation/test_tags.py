import numpy as np
import pytest
import torch

from bestie.evaluation.tags import TagEvaluator, tag_metrics
from tests.evaluation.tiny_data import OBJECTS, write_root


def test_metrics_by_hand():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.3], [0.4, 0.4]])
    tags = np.array([[1, 0], [0, 0], [1, 0], [1, 0]], dtype=bool)
    found = tag_metrics(scores, tags, ["a", "b"])
    # Ranked: hit, miss, hit, hit; best precision from there on: 1, 3/4, 3/4.
    assert found["AP-a"] == pytest.approx(100 * (1 + 0.75 + 0.75) / 3)
    # Predicted: the first three, of which two are right; one is missed.
    assert found["F1-a"] == pytest.approx(100 * 2 * 2 / (2 * 2 + 1 + 1))
    assert np.isnan(found["AP-b"]) and found["F1-b"] == 0
    assert found["mAP"] == found["AP-a"] and found["F1"] == found["F1-a"]


def test_evaluator_uses_the_tags_of_the_data_set(tmp_path):
    evaluator = TagEvaluator(write_root(tmp_path))
    evaluator.reset()
    for number, boxes in enumerate(OBJECTS):
        scores = torch.full((2,), 0.1)
        scores[[box[0] for box in boxes]] = 0.9
        evaluator.process([{"image_id": 101 + number}], [{"tag_scores": scores}])
    found = evaluator.evaluate()["tags"]
    assert set(found) == {"mAP", "F1", "AP-cat", "AP-dog", "F1-cat", "F1-dog"}
    assert all(value == 100 for value in found.values())


def test_images_without_tags_are_refused(tmp_path):
    name = write_root(tmp_path, tags=False)
    with pytest.raises(ValueError, match="needs the tags of every image"):
        TagEvaluator(name)
