"""Numbers of the labels and of the models: label quality, metrics per class, the short summary.

Each function writes one part of the page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bestie.formats import DataError, read_image
from bestie.report.run_folder import RunFolder
from bestie.report.training import curve_figure
from bestie.visualization import plot_bars
from bestie.visualization.canvas import resize_image
from bestie.visualization.page import (
    Block,
    Figure,
    Figures,
    Notes,
    Paragraph,
    Section,
    Table,
    chart_uri,
    photo_uri,
)

__all__ = [
    "METRICS",
    "labels_section",
    "limits_note",
    "metrics_section",
    "summary_blocks",
]

METRICS = {
    "voc/mAP25": "mAP25",
    "voc/mAP50": "mAP50",
    "voc/mAP70": "mAP70",
    "voc/mAP75": "mAP75",
    "segm/AP": "COCO AP",
    "segm/AP50": "COCO AP50",
    "segm/AP75": "COCO AP75",
}
PER_CLASS = "voc/AP50-"
# Detections per image and class that COCO AP counted.
LIMIT = "segm/max_detections"
QUALITY = {
    "labels": "labels",
    "objects": "objects",
    "true_positives": "true positives",
    "precision": "precision",
    "recall": "recall",
    "matched_iou": "IoU of matches",
    "best_iou": "best IoU per object",
}
# What a report on maps compares with the ground truth; only the maps as they were written leave
# uncertain pixels out.
MAP_STAGES = ("before refinement", "after refinement", "as written")
# What stands in quality.json under "agreement", in percent.
AGREEMENT = {
    "cues_in_maps": "cues on pixels of their class in the map",
    "cues_in_labels": "cues inside a label of their class",
    "labels_with_one_cue": "labels that hold exactly one cue of their class",
    "labels_in_maps": "pixels of labels that have their class in the map",
    "maps_in_labels": "pixels of maps inside a label of their class",
    "tags_with_labels": "tags of which the image has a label (coverage)",
}
# More classes than this are told by a table alone.
MAX_BARS = 20
SHEET_WIDTH = 1100


def summary_blocks(run: RunFolder) -> list[Block]:
    """The result in a line or two."""
    items = []
    results = _results(run)
    models = run.plan.models
    scores = {name: results[name].get("voc/mAP50") for name in models if name in results}
    if any(value is not None for value in scores.values()):
        text = ", ".join(f"{models[n]} {v:.1f}" for n, v in scores.items() if v is not None)
        items.append(f"mAP50 on {results.get('dataset', 'the test images')}: {text}.")
    summary = run.json("labels/summary.json") or {}
    if "labels_per_class" in summary:
        count = sum(summary["labels_per_class"].values())
        items.append(f"{count} labels on {summary['images']} training images.")
    total = (_quality(run).get("labels") or {}).get("total")
    if total:
        items.append(
            f"{total['precision']:.1f} % of the labels are true positives, which are "
            f"{total['recall']:.1f} % of the objects."
        )
    return [Notes(items)] if items else []


def labels_section(run: RunFolder) -> Section:
    """How good the labels are, or what they look like where no ground truth tells."""
    quality = _quality(run)
    blocks: list[Block] = []
    if not quality:
        blocks.append(Paragraph(run.absence("quality"), "warn"))
    elif quality.get("truth"):
        blocks += _quality_tables(run, quality)
    else:
        blocks.append(
            Paragraph(
                "The data has no ground truth: nobody can say how many labels are right. What "
                "follows says how much they cover and whether cues, maps and labels agree."
            )
        )
    blocks += _over_training(run.title(run.plan.labeler), quality.get("over_training") or [])
    agreement = quality.get("agreement") or {}
    rows = [[text, agreement[key]] for key, text in AGREEMENT.items() if key in agreement]
    if rows:
        blocks.append(Table(["Agreement of cues, maps and labels", "percent"], rows))
    blocks += _label_counts(run, with_classes=not quality.get("truth"))
    blocks += _map_quality(run)
    for sheet in ("cues.png", "maps.png"):
        for stage in run.reporting(sheet):
            blocks += _sheet(run, stage, sheet)
    return Section("Labels", blocks)


def metrics_section(run: RunFolder) -> Section:
    """Metrics of the models on the validation images, over all and per class."""
    results = _results(run)
    titles = run.plan.models
    models = [name for name in titles if name in results]
    if not models:
        why = (run.json("evaluation/results.json") or {}).get("skipped")
        text = f"Not measured: {why}." if why else run.absence("evaluation")
        return Section("Metrics", [Paragraph(text, "warn")])
    columns = {k: v for k, v in METRICS.items() if any(k in results[m] for m in models)}
    rows = [[titles[m], *(results[m].get(key) for key in columns)] for m in models]
    where, note = results.get("dataset", "the test images"), limits_note(results, titles)
    text = f"On {where}, in percent. {note}"
    blocks: list[Block] = [Paragraph(text.strip()), Table(["", *columns.values()], rows)]
    classes = (run.json("labels/summary.json") or {}).get("labels_per_class", {})
    named = {name: titles[name] for name in models}
    return Section("Metrics", blocks + _per_class(results, named, list(classes)))


def limits_note(results: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Which limit of detections COCO AP was measured with; "" if it was not measured.

    Args:
        results: evaluation/results.json.
        titles: of the models in it, by name.
    """
    limits = {m: results[m][LIMIT] for m in titles if (results.get(m) or {}).get(LIMIT)}
    if not limits:
        return ""
    values = [f"{value:.0f}" for value in limits.values()]
    if len(set(values)) > 1:
        values = [f"{v} ({titles[m]})" for m, v in zip(limits, values, strict=True)]
    counted = ", ".join(dict.fromkeys(values))
    return f"COCO AP counts the {counted} detections of the highest scores per image and class."


def _results(run: RunFolder) -> dict[str, Any]:
    """evaluation/results.json without the models that were not measured."""
    results = run.json("evaluation/results.json") or {}
    return {key: value for key, value in results.items() if value is not None}


def _per_class(
    results: Mapping[str, Any], models: Mapping[str, str], classes: Sequence[str]
) -> list[Block]:
    """AP50 of each class, in the order of ``classes`` as far as these are known."""
    found = {m: _with_prefix(results[m], PER_CLASS) for m in models}
    found = {m: values for m, values in found.items() if values}
    measured = dict.fromkeys(name for values in found.values() for name in values)
    names = [name for name in classes if name in measured]
    names += [name for name in measured if name not in names]
    if not names:
        return []
    rows = [[name, *(values.get(name) for values in found.values())] for name in names]
    headers = ["Class", *(models[m] for m in found)]
    blocks: list[Block] = [Table(headers, rows, caption="AP50 per class")]
    if len(names) <= MAX_BARS:
        series = {
            models[m]: [_number(values.get(name)) for name in names] for m, values in found.items()
        }
        chart = plot_bars(names, series, "AP50 per class, percent", number_format="{:.1f}")
        blocks.append(Figures([Figure(chart_uri(chart), "AP50 per class")]))
    return blocks


def _quality_tables(run: RunFolder, quality: Mapping[str, Any]) -> list[Block]:
    labeler = run.title(run.plan.labeler)
    kinds = {"baseline": run.plan.models.get("baseline", "baseline"), "labels": labeler}
    totals = {title: quality[k]["total"] for k, title in kinds.items() if quality.get(k)}
    if not totals:
        return []
    rows = [[name, *(total.get(key) for key in QUALITY)] for name, total in totals.items()]
    blocks: list[Block] = [
        Paragraph(
            "Labels of the training images against ground truth. A label is a true positive if it "
            "is matched, one to one, with an object of its class at a mask IoU of 0.5 or more. "
            "Ratios in percent."
        ),
        Table(["", *QUALITY.values()], rows),
    ]
    per_class = quality["labels"].get("per_class") if quality.get("labels") else None
    if per_class:
        rows = [[name, *(values.get(key) for key in QUALITY)] for name, values in per_class.items()]
        blocks.append(
            Table(["Class", *QUALITY.values()], rows, caption=f"{labeler}'s labels by class")
        )
    return blocks


def _quality(run: RunFolder) -> dict[str, Any]:
    return run.json("quality/quality.json") or {}


def _over_training(labeler: str, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The paper's Figure 6, or coverage and instances an image where there is no ground truth."""

    def curves(**names: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        found = {}
        for key, title in names.items():
            points = [(r["iteration"], r[key]) for r in rows if r.get(key) is not None]
            if points:
                found[title] = tuple(np.array(points, np.float64).T)
        return found

    charts = [
        curve_figure(
            curves(true_positives="true positives", labels="labels"),
            f"Labels while {labeler} trains",
        ),
        curve_figure(
            curves(precision="precision", recall="recall"), "Precision and recall, percent"
        ),
        curve_figure(curves(instances_per_image="instances"), "Instances an image"),
        curve_figure(curves(coverage="coverage"), "Coverage: tags with a label, percent"),
    ]
    figures = [figure for figure in charts if figure is not None]
    if not figures:
        return []
    counted = any(row.get("true_positives") is not None for row in rows)
    text = "Labels of the kept checkpoints on some of the training images"
    text += " (the paper's Figure 6)." if counted else "."
    return [Paragraph(text), Figures(figures)]


def _label_counts(run: RunFolder, with_classes: bool) -> list[Block]:
    """Numbers of labels an image, their scores and, if asked for, their classes."""
    summary = run.json("labels/summary.json")
    if not summary:
        return [Paragraph(run.absence("labels"), "warn")]
    charts = []
    per_image = list(summary["instances_per_image"].items())
    while per_image and not per_image[-1][1]:  # ranges beyond the fullest image
        per_image.pop()
    if per_image:
        names, images = zip(*per_image, strict=True)
        charts.append(plot_bars(names, {"images": images}, "Images by labels an image"))
    scores = summary["scores"]
    if any(scores):
        bins = [f"{i / len(scores):.1f}–{(i + 1) / len(scores):.1f}" for i in range(len(scores))]
        charts.append(plot_bars(bins, {"labels": scores}, "Labels by score"))
    without = summary["images_without_labels"]
    text = (
        f"{summary['mean_instances']:.2f} labels an image, at most {summary['max_instances']}; "
        f"{without} of {summary['images']} images have none."
    )
    rows = list(summary["labels_per_class"].items())
    table = [Table(["Class", "Labels"], rows)] if with_classes else []
    figures = [Figure(chart_uri(png), "Histogram of the labels") for png in charts]
    return [Paragraph(text), *table, Figures(figures)]


def _map_quality(run: RunFolder) -> list[Block]:
    """Mean IoU of the semantic maps that the stages made, where there is ground truth."""
    rows = []
    for stage in run.reporting("maps.json"):
        found = (run.json(f"{stage}/report/maps.json") or {}).get("mIoU") or {}
        if found:
            rows.append([run.title(stage), *map(found.get, MAP_STAGES)])
    return [Table(["Mean IoU of semantic maps, percent", *MAP_STAGES], rows)] if rows else []


def _sheet(run: RunFolder, stage: str, file: str) -> list[Block]:
    """A contact sheet that a stage left."""
    path = run.root / stage / "report" / file
    try:
        image = read_image(path)
    except DataError as error:
        run.note(str(error))
        return []
    height, width = image.shape[:2]
    if width > SHEET_WIDTH:
        image = resize_image(image, (round(height * SHEET_WIDTH / width), SHEET_WIDTH))
    return [Figure(photo_uri(image, quality=70), f"{run.title(stage)}, some images", folded=True)]


def _with_prefix(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
