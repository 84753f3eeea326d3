"""Sections of the report about labels before and after the refiner."""

import json

import pytest

from bestie.methods.pointwssis.report import (
    PLAIN,
    TITLES,
    TRUTH,
    classes_section,
    label_pictures_section,
    quality_section,
)
from bestie.pipeline.derived import SUBSET
from bestie.report.run_folder import ReportPlan, RunFolder
from bestie.visualization.page import Figures, Paragraph, Strip, Table
from tests.evaluation.tiny_data import OBJECTS, coco_of, write_root

NAMES = [f"img{number}" for number in range(len(OBJECTS))]
METRICS = {
    "labels": 3,
    "objects": 4,
    "recall": 50.0,
    "precision": 66.7,
    "best_iou": 60.0,
    "recall75": 25.0,
    "precision75": 33.3,
}


def write(folder, name, content):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def run(tmp_path):
    write(tmp_path, "manifest.json", {"stages": {"check": {"status": "failed"}}})
    titles = {"check": "Check of the data", "refined": "Refined labels"}
    return RunFolder(tmp_path, ReportPlan(titles=titles))


@pytest.mark.parametrize("section", [classes_section, quality_section, label_pictures_section])
def test_what_is_missing_is_said(run, section):
    (block,) = section(run).blocks
    assert isinstance(block, Paragraph) and block.tone == "warn"
    assert block.text.startswith("Nothing here: the stage")


def test_masks_and_clicks_are_counted_per_class_and_weak_masks_are_not_shown(run):
    splits = {
        "strong": {"images": 2, "objects_per_class": {"cat": 3}},
        "weak": {
            "images": 4,
            "objects_per_class": {"cat": 9},
            "points_per_class": {"Center_points": {"cat": 5, "dog": 6}},
        },
    }
    write(run.root, "check/dataset.json", splits)
    text, table = classes_section(run).blocks
    assert text.text == "Images: strong 2, weak 4."
    assert table.headers == ["Class", "strong: masks", "weak: clicks"]
    assert table.rows == [["cat", 3, 5], ["dog", None, 6]]


def quality(truth=True, recall=(20.0, 40.0)):
    curve = {"recall": list(recall), "precision": [90.0, 80.0][: len(recall)]}
    per_class = {key: METRICS[key] for key in METRICS if not key.endswith("75")}
    return {
        "clicks": 7,
        "counts": {"labels": 5, "refined": 4},
        "skipped": {"clicks without a mask": 2, "pairs": 0},
        "truth": truth,
        "stages": {"labels": METRICS, "refined": METRICS | {"recall": 75.0}},
        "curve": {"plain": curve, "refined": curve},
        "labels": {"per_class": {"cat": per_class}},
    }


def test_labels_of_all_stages_stand_in_one_table(run):
    write(run.root, "quality/quality.json", quality())
    text, _, stages, curve, classes = quality_section(run).blocks
    assert text.text.startswith("7 clicks on the weak images gave 5 rough labels")
    assert text.text.endswith("Not all became labels or were refined: 2 clicks without a mask.")
    assert [row[0] for row in stages.rows] == list(TITLES.values())
    assert [row[3] for row in stages.rows] == [50.0, 75.0]
    assert all(len(row) == len(stages.headers) for row in stages.rows)
    assert isinstance(curve, Figures) and PLAIN in curve.figures[0].text
    assert isinstance(classes, Table) and len(classes.rows[0]) == len(classes.headers) == 6


def test_detections_without_clicks_are_not_told_as_labels_of_clicks(run):
    content = quality() | {"prompt": "none", "counts": {"labels": 5}, "skipped": {}}
    write(run.root, "quality/quality.json", content)
    text, *_ = quality_section(run).blocks
    assert text.text == "The teacher gave 5 labels on the weak images; their clicks were not used."


def test_an_empty_curve_is_not_drawn(run):
    write(run.root, "quality/quality.json", quality(recall=()))
    assert not any(isinstance(block, Figures) for block in quality_section(run).blocks)


def test_without_truth_only_counts_are_shown(run):
    write(run.root, "quality/quality.json", quality(truth=False))
    counts, why = quality_section(run).blocks
    assert "4 refined labels" in counts.text and "cannot be measured" in why.text


def write_pictures(run, **options):
    root = run.root / "quality" / SUBSET
    write_root(root, **options)
    (root / "ImageSets/Segmentation/train.txt").rename(
        root / f"ImageSets/Segmentation/{SUBSET}.txt"
    )
    (root / "Center_points").mkdir()
    for name in NAMES:
        (root / f"Center_points/{name}.txt").write_text("3 3 1 1.0\n")
    for name in ("quality/plain.json", "labels/labels.json", "refined/labels.json"):
        write(run.root, name, coco_of(NAMES, OBJECTS))


@pytest.mark.parametrize(("pngs", "titles"), [(True, [TRUTH]), (False, [])])
def test_pictures_show_clicks_and_the_labels_of_every_stage(run, pngs, titles):
    write_pictures(run, pngs=pngs, json=False)
    text, *strips = label_pictures_section(run).blocks
    assert isinstance(text, Paragraph) and len(strips) == len(NAMES)
    assert all(isinstance(strip, Strip) for strip in strips)
    assert [title for title, _ in strips[0].panels] == ["clicks", PLAIN, *TITLES.values(), *titles]


def test_a_broken_file_is_named_in_place_of_the_pictures(run):
    write_pictures(run, pngs=False, json=False)
    (run.root / "refined/labels.json").write_text("{")
    (block,) = label_pictures_section(run).blocks
    assert "cannot be drawn" in block.text and "refined/labels.json" in block.text
