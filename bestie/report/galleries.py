"""Best, median and worst images of the last model, drawn.

One section of the page, from the predictions of the run and the data that its configs name.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.evaluation.ground_truth import GroundTruth, has_ground_truth
from bestie.evaluation.image_score import instance_quality
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import segmentation_rle
from bestie.report.run_folder import RunFolder
from bestie.visualization import LayerSettings, choose_evenly
from bestie.visualization.label_file import LabelFile, read_label_file
from bestie.visualization.layers import ImageLayers
from bestie.visualization.page import Block, Figure, Heading, Paragraph, Section, Strip, photo_uri

__all__ = ["gallery_section", "rank_images"]

TITLE = "Galleries"
PREDICTIONS = "inference/coco_instances_results.json"
# Predictions of a lower score are neither drawn nor counted in the ranking.
MIN_SCORE = 0.3
# Images a gallery; ranked at most; longer side of a panel, pixels.
NUMBER, MAX_RANKED, SIDE = 4, 1000, 300


@dataclass(frozen=True)
class _Subject:
    """A data set and files with labels of its images, the last of which ranks them."""

    dataset: str
    label_files: dict[str, Path]


def gallery_section(run: RunFolder) -> Section:
    """Galleries of the validation images or, without predictions for them, of the labels."""
    subject = _subject(run)
    if subject is None:
        return Section(TITLE, [Paragraph(run.absence("labels"), "warn")])
    try:
        return Section(TITLE, _galleries(subject))
    except (ValueError, OSError) as error:
        return Section(TITLE, [Paragraph(f"The images cannot be drawn: {error}", "warn")])


def rank_images(
    records: Sequence[Mapping[str, Any]], labels: LabelFile, truth: GroundTruth | None
) -> list[tuple[float, Mapping[str, Any]]]:
    """Images with their scores, the best first.

    The score is :func:`instance_quality` (images with neither object nor prediction are left out)
    or, without ground truth, the mean score of the predictions (0 without any).
    """
    scored = []
    for record in records:
        predictions = _masks(labels.of(record), record)
        if truth is not None:
            score = instance_quality(predictions, truth.objects(record["image_id"]))
        else:
            score = float(predictions.scores.mean()) if len(predictions) else 0.0
        if math.isfinite(score):
            scored.append((score, record))
    return sorted(scored, key=lambda pair: -pair[0])


def _subject(run: RunFolder) -> _Subject | None:
    results = run.json("evaluation/results.json") or {}
    predictions = {
        run.title(stage): run.root / stage / PREDICTIONS
        for stage in run.plan.detectors
        if (run.root / stage / PREDICTIONS).is_file()
    }
    configs = [cfg for cfg in map(run.config, run.plan.detectors) if cfg is not None]
    tested = [results["dataset"]] if results.get("dataset") else []
    tested += [name for cfg in configs for name in cfg.DATASETS.TEST]
    if predictions and tested:
        return _Subject(tested[0], predictions)
    labels = run.root / "labels/labels.json"
    trained = [name for cfg in configs for name in cfg.DATASETS.TRAIN]
    return _Subject(trained[0], {"labels": labels}) if labels.is_file() and trained else None


def _galleries(subject: _Subject) -> list[Block]:
    register_dataset(subject.dataset)
    metadata = MetadataCatalog.get(subject.dataset)
    records = DatasetCatalog.get(subject.dataset)
    ranked_records = choose_evenly(records, MAX_RANKED)
    settings = LayerSettings(metadata.thing_classes, side=SIDE, score_thresh=MIN_SCORE)
    columns = {
        title: read_label_file(
            path,
            ranked_records,
            metadata.thing_classes,
            metadata.thing_dataset_id_to_contiguous_id,
            records,
        )
        for title, path in subject.label_files.items()
    }
    truth = GroundTruth(subject.dataset) if has_ground_truth(subject.dataset) else None
    masks = None
    if truth is not None and any("instance_file" not in record for record in records):
        masks = read_label_file(metadata.json_file, records, metadata.thing_classes)
    last = list(columns)[-1]
    ranked = rank_images(ranked_records, columns[last], truth)
    blocks: list[Block] = [Paragraph(_introduction(subject, last, truth, ranked, records))]
    for title, chosen in _best_median_worst(ranked).items():
        blocks.append(Heading(title))
        for score, record in chosen:
            name = "quality" if truth else "mean confidence"
            heading = f"{record['image_name']}: {name} {100 * score:.0f} of 100"
            panels = _panels(record, settings, columns, truth is not None, masks)
            blocks.append(Strip(heading, panels))
    return blocks


def _introduction(
    subject: _Subject,
    last: str,
    truth: GroundTruth | None,
    ranked: Sequence[tuple[float, Mapping[str, Any]]],
    records: Sequence[Mapping[str, Any]],
) -> str:
    count = f"{len(ranked)} of {len(records)} images of {subject.dataset}"
    if truth is None:
        how = f"There is no ground truth: {count} are ranked by the mean confidence of {last}"
    else:
        how = (
            f"{count} are ranked by how well {last} fits the ground truth: panoptic quality of its "
            "instances, 100 for a perfect fit"
        )
    return f"{how}. Instances under a score of {MIN_SCORE:g} are left out."


def _best_median_worst(
    ranked: Sequence[tuple[float, Mapping[str, Any]]],
) -> dict[str, list[tuple[float, Mapping[str, Any]]]]:
    """Three galleries that share no image; one of all images where there are fewer than three."""
    number = min(NUMBER, len(ranked) // 3)
    if number == 0:
        return {"Images": list(ranked)}
    start = (len(ranked) - number) // 2
    return {
        "Best": list(ranked[:number]),
        "Median": list(ranked[start : start + number]),
        "Worst": list(ranked[-number:]),
    }


def _panels(
    record: Mapping[str, Any],
    settings: LayerSettings,
    columns: Mapping[str, LabelFile],
    has_truth: bool,
    masks: LabelFile | None,
) -> list[tuple[str, Figure]]:
    """``masks``: the true instances, where they are in a json and not in files of each image."""
    drawer = ImageLayers(record, settings)
    drawn = [drawer.draw("tags" if "image_labels" in record else "image")]
    if masks is not None:
        drawn.append(("ground truth", drawer.draw_annotations(masks.of(record))))
    elif has_truth:
        drawn.append(drawer.draw("gt"))
    drawn += [
        (title, drawer.draw_annotations(labels.of(record))) for title, labels in columns.items()
    ]
    name = record["image_name"]
    return [(title, Figure(photo_uri(panel), f"{name}: {title}")) for title, panel in drawn]


def _masks(annotations: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> LabelledMasks:
    """The annotations that are drawn."""
    shown = [a for a in annotations if a["score"] is None or a["score"] >= MIN_SCORE]
    size = (record["height"], record["width"])
    return LabelledMasks(
        [segmentation_rle(a["segmentation"], *size) for a in shown],
        np.array([a["class_id"] for a in shown], np.int64),
        np.array([1.0 if a["score"] is None else a["score"] for a in shown], np.float64),
    )
