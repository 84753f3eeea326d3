"""Labels that are equal to the ground truth score 100, whatever ids and crowds it has."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bestie.data import register_dataset
from bestie.evaluation import evaluate_labels
from bestie.evaluation.coco import build_coco_evaluator, detection_limit, largest_crowd
from bestie.formats import encode_mask, plain_json, to_json
from tests.conftest import PROJECT, shared_data
from tests.evaluation.tiny_data import instances_of, write_root


def annotation(number: int, category: int, mask: np.ndarray, image: int = 1) -> dict:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": encode_mask(mask),
        "area": int(mask.sum()),
        "bbox": box,
        "iscrowd": 0,
    }


def write_truth(folder: Path, ids: list[int], categories: list[int], side: int = 64) -> Path:
    """One image of squares of 2 pixels; object k has annotation id ids[k] and categories[k]."""
    (folder / "photos").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(folder / "photos/a.png")
    objects = []
    for place, (number, category) in enumerate(zip(ids, categories, strict=True)):
        mask = np.zeros((side, side), bool)
        row, column = divmod(place, side // 3)
        mask[3 * row : 3 * row + 2, 3 * column : 3 * column + 2] = True
        objects.append(annotation(number, category, mask))
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": side, "width": side}],
        "categories": [{"id": c, "name": f"class {c}"} for c in sorted(set(categories))],
        "annotations": objects,
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(coco))
    return path


def perfect(truth: Path) -> dict:
    """The truth as labels with scores and ids of their own."""
    coco = json.loads(truth.read_text())
    for number, entry in enumerate(coco["annotations"], 1):
        entry |= {"id": number, "score": 1 - number / 1000}
    return coco


def score(truth: Path, max_detections: int | None = None):
    name = f"coco:{truth}:{truth.parent / 'photos'}"
    register_dataset(name)
    return evaluate_labels(perfect(truth), name, max_detections=max_detections)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ids=st.sets(st.integers(-3, 9), min_size=1, max_size=6), data=st.data())
def test_perfect_labels_score_100_whatever_the_annotation_ids(tmp_path_factory, ids, data):
    categories = data.draw(
        st.lists(st.sampled_from([0, 1, 7]), min_size=len(ids), max_size=len(ids))
    )
    truth = write_truth(tmp_path_factory.mktemp("ids"), list(ids), categories)
    found = score(truth)
    assert all(value == pytest.approx(100) for value in found.average_precision.values())
    assert found.max_detections == 100


@pytest.mark.parametrize("number, limit", [(100, 100), (101, 200), (250, 400), (440, 700)])
def test_perfect_labels_of_crowds_score_100_and_the_limit_is_named(tmp_path, number, limit):
    truth = write_truth(tmp_path, list(range(number)), [1] * number)
    found = score(truth)
    assert found.average_precision["AP"] == pytest.approx(100)
    assert found.max_detections == limit == found.as_dict()["max_detections"]
    assert f"COCO AP counts the {limit} labels" in found.table()


def test_the_limit_counts_per_class_and_one_that_is_too_small_is_named(tmp_path, caplog):
    truth = write_truth(tmp_path, list(range(180)), [1, 2] * 90)
    assert score(truth).max_detections == 100  # as COCO counts
    truth = write_truth(tmp_path, list(range(180)), [1] * 150 + [2] * 30)
    found = score(truth, max_detections=100)
    assert found.average_precision["AP"] < 90 and found.max_detections == 100
    assert "--max-detections 100 is too small" in caplog.text
    with pytest.raises(ValueError, match="--max-detections must be 1 or more, got 0"):
        score(truth, max_detections=0)


def nulls(value, path=()) -> set[str]:
    """Last keys of everything that is null."""
    if isinstance(value, dict):
        return {key for name, inner in value.items() for key in nulls(inner, (*path, name))}
    return {path[-1]} if value is None else set()


@pytest.mark.parametrize("objects", [0, 2])
@pytest.mark.parametrize("labels", ["none", "wrong", "perfect", "unscored", "partly scored"])
def test_every_null_of_the_json_has_a_reason(tmp_path, objects, labels):
    truth = write_truth(tmp_path, list(range(objects)), [1] * objects)
    if not objects:
        write_truth(tmp_path, [1], [1])
        content = json.loads(truth.read_text())
        truth.write_text(json.dumps(content | {"annotations": []}))
    (tmp_path / "labels").mkdir()
    coco = json.loads(write_truth(tmp_path / "labels", [7, 8], [1, 1]).read_text())
    entries = [entry | {"score": 0.5} for entry in coco["annotations"]]
    if labels == "none":
        entries = []
    if labels == "wrong":
        wrong = annotation(1, 1, np.arange(64 * 64).reshape(64, 64) > 4000)
        entries = [wrong | {"score": 0.5}]
    if labels == "unscored":
        entries = coco["annotations"]
    if labels == "partly scored":
        entries[0].pop("score")
    name = f"coco:{truth}:{truth.parent / 'photos'}"
    register_dataset(name)
    result = plain_json(evaluate_labels(coco | {"annotations": entries}, name).as_dict())
    reasons = result.pop("reasons")
    assert nulls(result) - {"max_detections"} == set(reasons) - {"max_detections"}
    assert all(reasons.values())
    expected = {
        "none": "there is no label",
        "unscored": "2 of 2 labels have no score",
        "partly scored": "1 of 2 labels have no score",
    }
    assert reasons.get("average_precision") == expected.get(labels)


def test_crowd_regions_are_no_objects():
    entry = {"image_id": 1, "category_id": 1}
    assert largest_crowd([]) == 0
    assert largest_crowd([entry, entry | {"iscrowd": 1}, entry | {"category_id": 2}]) == 1


@given(st.integers(0, 5000))
def test_limits_hold_all_objects_with_a_margin_beyond_cocos(most):
    limit = detection_limit(most)
    assert limit == 100 if most <= 100 else 1.5 * most <= limit < 1.5 * most + 50


def test_the_evaluator_of_models_is_right_for_id_0_and_names_its_limit(tmp_path, caplog):
    boxes = [(0, y, x, y + 1, x + 1) for y in range(12) for x in range(0, 20, 2)]
    name = write_root(tmp_path, objects=[boxes])
    path = tmp_path / "annotations/instances_train.json"
    coco = json.loads(path.read_text())
    for number, entry in enumerate(coco["annotations"]):
        entry["id"] = number
    path.write_text(json.dumps(coco))
    found = {}
    for limit in (100, 120):
        evaluator = build_coco_evaluator(name, limit)
        evaluator.reset()
        scores = np.linspace(1, 0.5, len(boxes)).tolist()
        evaluator.process([{"image_id": 101}], [{"instances": instances_of(boxes, scores)}])
        found[limit] = evaluator.evaluate()["segm"]
    assert found[120]["AP"] == pytest.approx(100) and found[120]["max_detections"] == 120
    assert found[100]["AP"] < 90 and found[100]["max_detections"] == 100
    assert caplog.text.count("is too small") == 1
    assert "TEST.DETECTIONS_PER_IMAGE 100 is too small" in caplog.text


NUMBERS = st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=3))
VALUES = st.recursive(
    NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)
)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is not json")


@given(VALUES)
def test_json_text_is_strict_and_reads_back(value):
    text = to_json(value)
    assert json.loads(text, parse_constant=refuse) == plain_json(value)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("truth-250-objects", {"AP": 100, "AP50": 100, "mAP50": 100}),
        ("truth-annotation-id-0", {"AP": 100, "AP50": 100, "mAP50": 100}),
        ("evaluate-json-nan", None),
    ],
)
def test_reported_faults(name, expected):
    folder = shared_data("../faults") / name
    command = [sys.executable, PROJECT / "tools/evaluate_labels.py", "labels.json", "--json"]
    command += ["--dataset", "coco:truth.json:photos"]
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout, parse_constant=refuse)
    if expected is None:
        assert result["total"]["precision"] is None and result["average_precision"] is None
    else:
        found = {key: result["average_precision"][key] for key in expected}
        assert found == pytest.approx(expected)
