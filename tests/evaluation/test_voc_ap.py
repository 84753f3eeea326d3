import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.evaluation.masks import LabelledMasks
from bestie.evaluation.voc_ap import (
    IOU_THRESHOLDS,
    Matches,
    VOCInstanceEvaluator,
    average_precision,
    instance_average_precision,
    match_predictions,
    summarize_average_precision,
)
from bestie.formats import write_semantic_map
from tests.conftest import reference_cases
from tests.evaluation.tiny_data import CLASS_NAMES, OBJECTS, instances_of, labels_of, write_root


def unpack(bits: np.ndarray, height: int, width: int) -> np.ndarray:
    flat = np.unpackbits(bits, axis=1)[:, : height * width]
    return flat.reshape(-1, height, width).astype(bool)


@pytest.mark.parametrize("case", reference_cases("voc_ap"))
def test_reference_case(case):
    data, parameters = case.load()
    size = (parameters["height"], parameters["width"])
    predicted = unpack(data["in_pred_mask_bits"], *size)
    objects = unpack(data["in_gt_mask_bits"], *size)
    parts = []
    for image in range(parameters["n_images"]):
        of_image = data["in_pred_image"] == image
        predictions = LabelledMasks.from_arrays(
            predicted[of_image], data["in_pred_label"][of_image], data["in_pred_score"][of_image]
        )
        true = data["in_gt_image"] == image
        truth = LabelledMasks.from_arrays(objects[true], data["in_gt_label"][true])
        parts.append(match_predictions(predictions, truth))
    matches = Matches.concatenate(parts)
    num_classes = data["out_ap"].shape[2]
    for metric in (0, 1):
        found = instance_average_precision(
            matches, num_classes, parameters["iou_thresholds"], eleven_point=metric == 1
        )
        np.testing.assert_allclose(found, data["out_ap"][:, metric], rtol=0, atol=1e-9)
        mean = np.nanmean(found, axis=1)
        np.testing.assert_allclose(mean, data["out_map"][:, metric], rtol=0, atol=1e-9)


def test_average_precision_by_hand():
    hits = np.array([True, False, True, False])
    # Recall 1/3 at precision 1, recall 2/3 at precision 2/3, the third object is never found.
    assert average_precision(hits, 3) == pytest.approx((1 + 2 / 3) / 3)
    # Levels 0 .. 0.3 see precision 1, 0.4 .. 0.6 see 2/3.
    assert average_precision(hits, 3, eleven_point=True) == pytest.approx((4 + 3 * 2 / 3) / 11)
    assert average_precision(np.zeros(0, bool), 3) == 0
    assert average_precision(np.zeros(0, bool), 3, eleven_point=True) == 0
    assert np.isnan(average_precision(np.array([False]), 0))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=12), st.integers(0, 4), st.booleans())
def test_a_false_positive_at_the_end_changes_nothing(hits, missed, eleven_point):
    hits = np.array(hits, dtype=bool)
    num_objects = int(hits.sum()) + missed
    before = average_precision(hits, num_objects, eleven_point)
    after = average_precision(np.append(hits, False), num_objects, eleven_point)
    assert before == after or (np.isnan(before) and np.isnan(after))
    assert num_objects == 0 or 0 <= before <= 1


def test_prediction_of_another_class_has_no_object():
    matches = match_predictions(labels_of([(1, 0, 0, 4, 4)]), labels_of([(0, 0, 0, 4, 4)]))
    assert matches.objects.tolist() == [-1] and matches.overlaps.tolist() == [0]


def test_only_the_best_scored_of_two_predictions_is_a_hit():
    objects = labels_of([(0, 0, 0, 4, 4)])
    predictions = labels_of([(0, 0, 0, 4, 4), (0, 0, 0, 4, 3)], scores=[0.5, 0.9])
    matches = match_predictions(predictions, objects)
    # The second one overlaps 12 of 16 pixels, which is enough: the better mask is an error.
    assert instance_average_precision(matches, 1).ravel().tolist() == [1, 1, 1, 1]
    assert instance_average_precision(matches, 1, [0.8]).ravel().tolist() == [0.5]


def test_objects_of_different_images_stay_apart():
    image = match_predictions(labels_of([(0, 0, 0, 4, 4)]), labels_of([(0, 0, 0, 4, 4)]))
    matches = Matches.concatenate([image, image])
    assert matches.objects.tolist() == [0, 1]
    assert instance_average_precision(matches, 2)[0].tolist() == pytest.approx(
        [1, np.nan], nan_ok=True
    )


def test_classes_without_objects_do_not_enter_the_mean():
    values = np.array([[1.0, np.nan, 0.5], [0.5, np.nan, 0.5], [0, np.nan, 0], [0, np.nan, 0]])
    summary = summarize_average_precision(values, ["a", "b", "c"])
    assert (summary["mAP25"], summary["mAP50"], summary["AP50-a"]) == (75, 50, 50)
    assert np.isnan(summary["AP50-b"])


def evaluate(dataset_name: str, image_ids: list[int], predicted: list[list[tuple]]) -> dict:
    evaluator = VOCInstanceEvaluator(dataset_name)
    evaluator.reset()
    for image_id, boxes in zip(image_ids, predicted, strict=True):
        evaluator.process([{"image_id": image_id}], [{"instances": instances_of(boxes)}])
    return evaluator.evaluate()["voc"]


@pytest.mark.parametrize("pngs", [True, False])
def test_evaluator_finds_perfect_predictions_perfect(tmp_path, pngs):
    name = write_root(tmp_path, pngs=pngs)
    results = evaluate(name, list(range(101, 106)), OBJECTS)
    assert set(results) == {"mAP25", "mAP50", "mAP70", "mAP75", "AP50-cat", "AP50-dog"}
    assert all(value == 100 for value in results.values())


def test_evaluator_counts_missed_objects(tmp_path):
    name = write_root(tmp_path)
    only_first = [boxes[:1] for boxes in OBJECTS]
    results = evaluate(name, list(range(101, 106)), only_first)
    assert results["AP50-cat"] == pytest.approx(100 * 2 / 3)
    assert results["AP50-dog"] == pytest.approx(100 * 2 / 3)


def test_pixels_255_belong_to_no_object(tmp_path):
    name = write_root(tmp_path, objects=[[(0, 0, 0, 10, 10)]], json=False)
    for folder in ("SegmentationClass", "SegmentationObject"):
        pixels = np.zeros((12, 20), np.uint8)
        pixels[0:10, 0:10] = 1
        pixels[6:10, 0:10] = 255
        write_semantic_map(tmp_path / folder / "img0.png", pixels)
    # 60 of the predicted 100 pixels are left of the object: an IoU of 0.6.
    results = evaluate(name, [1], [[(0, 0, 0, 10, 10)]])
    assert (results["mAP50"], results["mAP70"]) == (100, 0)


def test_unknown_class_is_refused(tmp_path):
    name = write_root(tmp_path)
    with pytest.raises(ValueError, match="predicts class 2"):
        evaluate(name, [101], [[(len(CLASS_NAMES), 0, 0, 4, 4)]])


def test_evaluator_takes_empty_predictions(tmp_path):
    name = write_root(tmp_path)
    empty = instances_of([])
    assert empty.pred_masks.shape == (0, 12, 20) and empty.scores.dtype == torch.float32
    assert evaluate(name, [101], [[]])["mAP50"] == 0
    assert len(IOU_THRESHOLDS) == 4
