"""Sections of the report that show what is special here: labels before and after the refiner.

Each function reads what the stages left and writes one part of the page.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.data.registration import dataset_name
from bestie.formats.dataset_folder import CLICKS
from bestie.methods.pointwssis.stages import LABELS, REFINED
from bestie.pipeline.derived import SUBSET
from bestie.report.run_folder import RunFolder
from bestie.visualization import LayerSettings, choose_evenly
from bestie.visualization.label_file import LabelFile, read_label_file
from bestie.visualization.layers import ImageLayers
from bestie.visualization.page import (
    Block,
    Figure,
    Figures,
    Paragraph,
    Section,
    Strip,
    Table,
    chart_uri,
    photo_uri,
)
from bestie.visualization.plots import plot_curves

__all__ = ["classes_section", "label_pictures_section", "quality_section"]

# Stage of labels in quality.json -> what people call them.
TITLES = {"labels": "rough labels (clicks)", "refined": "refined labels"}
PLAIN, TRUTH = "teacher without clicks", "masks (measure only)"
QUALITY = {
    "labels": "labels",
    "objects": "objects",
    "recall": "recall",
    "precision": "precision",
    "best_iou": "mean IoU per object",
    "recall75": "recall at IoU 0.75",
    "precision75": "precision at IoU 0.75",
}
# Pictures of weak images, longer side of a panel in pixels, and score from which plain detections
# are drawn.
PICTURES, SIDE, MIN_SCORE = 8, 300, 0.3


def classes_section(run: RunFolder) -> Section:
    """Images of each split, and masks and clicks of each class."""
    checked = run.json("check/dataset.json") or {}
    splits = {name: split for name, split in checked.items() if "images" in split}
    if not splits:
        return Section("Data", [Paragraph(run.absence("check"), "warn")])
    columns: dict[str, dict[str, int]] = {}
    for name, split in splits.items():
        if split.get("objects_per_class") and name != "weak":
            columns[f"{name}: masks"] = split["objects_per_class"]
        for counts in (split.get("points_per_class") or {}).values():
            columns[f"{name}: clicks"] = counts
    images = ", ".join(f"{name} {split['images']}" for name, split in splits.items())
    names = dict.fromkeys(name for counts in columns.values() for name in counts)
    rows = [[name, *(counts.get(name) for counts in columns.values())] for name in names]
    return Section("Data", [Paragraph(f"Images: {images}."), Table(["Class", *columns], rows)])


def quality_section(run: RunFolder) -> Section:
    """Numbers of the labels over the stages, and the curve of the teacher's plain detections."""
    quality = run.json("quality/quality.json")
    if not quality:
        return Section("Labels", [Paragraph(run.absence("quality"), "warn")])
    counts = ", ".join(f"{number} {TITLES[stage]}" for stage, number in quality["counts"].items())
    left_out = ", ".join(f"{n} {why}" for why, n in quality.get("skipped", {}).items() if n)
    if quality.get("prompt") == "none":
        counts = ", ".join(f"{number} labels" for number in quality["counts"].values())
        text = f"The teacher gave {counts} on the weak images; their clicks were not used."
    else:
        text = f"{quality['clicks']} clicks on the weak images gave {counts}."
    text += f" Not all became labels or were refined: {left_out}." if left_out else ""
    blocks: list[Block] = [Paragraph(text)]
    if not quality["truth"]:
        text = "The weak images have no masks: how many labels are right cannot be measured."
        return Section("Labels", [*blocks, Paragraph(text)])
    rows = [
        [TITLES[stage], *(metrics.get(key) for key in QUALITY)]
        for stage, metrics in quality["stages"].items()
    ]
    text = (
        "Labels against the masks of the weak images, which only measure. Recall and precision: "
        "label and object of one class, matched one to one at a mask IoU of 0.5 or more; mean IoU: "
        "best label of the class, over all objects. In percent."
    )
    blocks += [Paragraph(text), Table(["", *QUALITY.values()], rows)]
    blocks += _curve(quality["curve"])
    rows = [
        [name, *(values.get(key) for key in QUALITY if key in values)]
        for name, values in quality["labels"]["per_class"].items()
    ]
    final = TITLES[list(quality["stages"])[-1]]
    headers = ["Class", *(title for key, title in QUALITY.items() if not key.endswith("75"))]
    blocks.append(Table(headers, rows, caption=f"{final[:1].upper()}{final[1:]} by class"))
    return Section("Labels", blocks)


def label_pictures_section(run: RunFolder) -> Section:
    """Weak images: clicks, plain detections of the teacher, rough and refined labels."""
    title, quality = "Labels in pictures", run.root / "quality"
    if not (quality / "plain.json").is_file():
        return Section(title, [Paragraph(run.absence("quality"), "warn")])
    try:
        blocks = _strips(run, dataset_name("folder", quality / SUBSET, SUBSET))
    except (ValueError, OSError) as error:
        return Section(title, [Paragraph(f"The images cannot be drawn: {error}", "warn")])
    text = f"Some weak images. Detections of the teacher under a score of {MIN_SCORE:g} are hidden."
    return Section(title, [Paragraph(text), *blocks])


def _curve(curve: Mapping[str, Any]) -> list[Block]:
    lines = {TITLES.get(name, PLAIN): _line(points) for name, points in curve.items()}
    if not all(len(x) for x, _ in lines.values()):
        return []
    title = "Precision over recall at mask IoU 0.5, percent"
    png = plot_curves(lines, title, "recall", "precision", smooth=False)
    return [Figures([Figure(chart_uri(png), f"{title}: {', '.join(lines)}")])]


def _line(points: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(points["recall"], np.float64), np.array(points["precision"], np.float64)


def _strips(run: RunFolder, dataset: str) -> list[Block]:
    register_dataset(dataset)
    metadata, records = MetadataCatalog.get(dataset), DatasetCatalog.get(dataset)
    chosen = choose_evenly(records, PICTURES)
    settings = LayerSettings(
        metadata.thing_classes, side=SIDE, points=CLICKS, score_thresh=MIN_SCORE
    )
    made = {PLAIN: "quality/plain.json", TITLES["labels"]: LABELS}
    if "refined" in run.plan.titles:
        made[TITLES["refined"]] = REFINED
    files = {title: run.root / file for title, file in made.items()}
    truth = metadata.get("json_file")
    if truth:
        files[TRUTH] = Path(truth)
    columns = {
        name: read_label_file(path, chosen, metadata.thing_classes) for name, path in files.items()
    }
    return [Strip(record["image_name"], _panels(record, settings, columns)) for record in chosen]


def _panels(
    record: Mapping[str, Any],
    settings: LayerSettings,
    columns: Mapping[str, LabelFile],
) -> list[tuple[str, Figure]]:
    drawer = ImageLayers(record, settings)
    drawn = [("clicks", drawer.draw("points")[1])]
    drawn += [
        (title, drawer.draw_annotations(labels.of(record))) for title, labels in columns.items()
    ]
    if TRUTH not in columns and "instance_file" in record:
        drawn.append((TRUTH, drawer.draw("gt")[1]))
    name = record["image_name"]
    return [(title, Figure(photo_uri(panel), f"{name}: {title}")) for title, panel in drawn]
