"""Numbers of labels and models: what was measured, and why the rest is missing."""

import numpy as np
import pytest

from bestie.report.results import labels_section, limits_note, metrics_section, summary_blocks
from bestie.visualization import save_png
from bestie.visualization.page import Figure
from tests.report.toy_run import charts, paragraphs, put, tables, toy_run

SUMMARY = {
    "images": 5,
    "images_without_labels": 1,
    "labels_per_class": {"cat": 4, "dog": 2},
    "instances_per_image": {"0": 1, "1": 4, "2-3": 0},
    "mean_instances": 1.2,
    "max_instances": 2,
    "scores": [0, 6],
}
TOTAL = {"labels": 6, "objects": 8, "true_positives": 3, "precision": 50.0, "recall": 37.5}


@pytest.fixture
def run(tmp_path):
    return toy_run(tmp_path)


def test_the_summary_of_a_run_without_results_is_empty(run):
    assert summary_blocks(run) == []


def test_the_summary_says_what_is_known(run):
    toy = {"voc/mAP50": 61.25}
    results = {"dataset": "val", "baseline": {"voc/mAP50": 40.0}, "toy": toy}
    put(run.root, "evaluation/results.json", results)
    put(run.root, "labels/summary.json", SUMMARY)
    put(run.root, "quality/quality.json", {"labels": {"total": TOTAL}})
    (block,) = summary_blocks(run)
    assert block.items == [
        "mAP50 on val: One per component 40.0, Toy network 61.2.",
        "6 labels on 5 training images.",
        "50.0 % of the labels are true positives, which are 37.5 % of the objects.",
    ]


def test_metrics_of_the_models_that_were_measured(run):
    toy = {"voc/mAP50": 61.25, "segm/AP": 20.0, "voc/AP50-dog": 50.0, "voc/AP50-eel": None}
    base = {"voc/mAP50": 40.0, "voc/AP50-dog": 45.0, "voc/AP50-cat": 30.0}
    put(run.root, "evaluation/results.json", {"dataset": "val", "baseline": base, "toy": toy})
    put(run.root, "labels/summary.json", SUMMARY)
    section = metrics_section(run)
    assert paragraphs(section) == [("On val, in percent.", "")]
    models, classes = tables(section)
    assert models.headers == ["", "mAP50", "COCO AP"]
    assert models.rows == [["One per component", 40.0, None], ["Toy network", 61.25, 20.0]]
    assert classes.headers == ["Class", "One per component", "Toy network"]
    # In the order of the labels' classes; those without labels follow.
    assert classes.rows == [["cat", 30.0, None], ["dog", 45.0, 50.0], ["eel", None, None]]
    assert charts(section) == ["AP50 per class"]


def test_a_model_that_was_not_measured_has_no_row(run):
    results = {"dataset": "val", "baseline": None, "toy": {"voc/mAP50": 1.0}}
    put(run.root, "evaluation/results.json", results)
    section = metrics_section(run)
    assert [table.rows for table in tables(section)] == [[["Toy network", 1.0]]]
    assert charts(section) == []


def test_many_classes_are_a_table_without_a_chart(run):
    values = {f"voc/AP50-c{i}": 1.0 for i in range(21)}
    put(run.root, "evaluation/results.json", {"toy": values})
    section = metrics_section(run)
    assert len(tables(section)[1].rows) == 21 and charts(section) == []


@pytest.mark.parametrize(
    ("results", "text"),
    [
        (None, "Nothing here: the stage “evaluation” did not run."),
        ({"skipped": "there is no split"}, "Not measured: there is no split."),
        ({"dataset": "val", "toy": None}, "Nothing here: the stage “evaluation” did not run."),
        ([1], "Nothing here: the stage “evaluation” did not run."),
    ],
)
def test_why_nothing_was_measured(run, results, text):
    if results is not None:
        put(run.root, "evaluation/results.json", results)
    assert paragraphs(metrics_section(run)) == [(text, "warn")]


@pytest.mark.parametrize(
    ("limits", "note"),
    [
        ({}, ""),
        ({"a": 100.0}, "COCO AP counts the 100 detections of the highest scores"),
        ({"a": 100.0, "b": 100.0}, "COCO AP counts the 100 detections of"),
        ({"a": 100.0, "b": 200.0}, "COCO AP counts the 100 (One), 200 (Two) detections of"),
    ],
)
def test_the_limit_of_detections_is_said(limits, note):
    results = {"a": {"segm/AP": 1.0}, "b": None}
    results |= {name: {"segm/max_detections": limit} for name, limit in limits.items()}
    said = limits_note(results, {"a": "One", "b": "Two"})
    assert said.startswith(note) and bool(said) == bool(note)


def test_labels_against_the_truth(run):
    labels = {"total": TOTAL, "per_class": {"cat": TOTAL}}
    quality = {"truth": True, "labels": labels, "baseline": {"total": TOTAL | {"labels": 9}}}
    put(run.root, "quality/quality.json", quality)
    put(run.root, "labels/summary.json", SUMMARY)
    all_classes, per_class = tables(labels_section(run))
    assert [row[:2] for row in all_classes.rows] == [["One per component", 9], ["Toy network", 6]]
    assert all_classes.rows[1][4:] == [50.0, 37.5, None, None]
    assert per_class.caption == "Toy network's labels by class"
    assert per_class.rows[0][0] == "cat"


def test_labels_without_truth_are_counted_by_class(run):
    quality = {"truth": False, "agreement": {"cues_in_maps": 81.25, "another": 1.0}}
    put(run.root, "quality/quality.json", quality)
    put(run.root, "labels/summary.json", SUMMARY)
    section = labels_section(run)
    texts = [text for text, _ in paragraphs(section)]
    assert texts[0].startswith("The data has no ground truth")
    assert texts[1] == "1.20 labels an image, at most 2; 1 of 5 images have none."
    agreement, classes = tables(section)
    assert agreement.rows == [["cues on pixels of their class in the map", 81.25]]
    assert classes.rows == [("cat", 4), ("dog", 2)]
    assert charts(section) == ["Histogram of the labels"] * 2


def test_labels_while_the_network_trains(run):
    rows = [{"iteration": i, "true_positives": i, "labels": 9, "coverage": None} for i in (1, 2)]
    put(run.root, "quality/quality.json", {"truth": True, "over_training": rows})
    section = labels_section(run)
    assert charts(section) == ["Labels while Toy network trains: true positives, labels"]
    assert any(text.endswith("(the paper's Figure 6).") for text, _ in paragraphs(section))


def test_without_any_file_of_the_labels_each_is_missed(run):
    assert paragraphs(labels_section(run)) == [
        ("Nothing here: the stage “quality” did not run.", "warn"),
        ("Nothing here: the stage “labels” did not run.", "warn"),
    ]


def test_sheets_of_the_stages_are_shown_and_broken_ones_noted(run):
    save_png(run.root / "cues/report/cues.png", np.zeros((30, 2200, 3), np.uint8))
    put(run.root, "maps/report/maps.png", "not an image")
    sheets = [block for block in labels_section(run).blocks if isinstance(block, Figure)]
    assert [(sheet.text, sheet.folded) for sheet in sheets] == [("cues, some images", True)]
    (note,) = run.notes
    assert "maps.png: is not an image" in note


def test_maps_before_and_after_are_compared_in_the_order_of_the_stages(run):
    for stage, value in (("zmaps", 61.5), ("maps", 50.25)):
        content = {"mIoU": {"before refinement": None, "as written": value}, "findings": []}
        put(run.root, f"{stage}/report/maps.json", content)
    (table,) = [t for t in tables(labels_section(run)) if "Mean IoU" in t.headers[0]]
    assert [[row[0], row[-1]] for row in table.rows] == [["maps", 50.25], ["zmaps", 61.5]]
    put(run.root, "maps/report/maps.json", {"mIoU": {}, "findings": []})
    (table,) = [t for t in tables(labels_section(run)) if "Mean IoU" in t.headers[0]]
    assert len(table.rows) == 1
