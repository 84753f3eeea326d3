"""The quality and evaluation stages: how good the labels are, and the models.

The commands that measure a run's labels, checkpoints and models, and what is joined from their
results: ``quality/quality.json`` and ``evaluation/results.json``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.data.registration import dataset_name
from bestie.evaluation import evaluate_labels
from bestie.evaluation.agreement import measure_agreement
from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.formats import (
    DataError,
    Points,
    atomic_write,
    read_coco,
    read_points,
    read_semantic_map,
    to_json,
)
from bestie.formats.true_masks import image_stem, part_of_coco
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.derived import SUBSET, make_subset
from bestie.pipeline.process import Command
from bestie.pipeline.request import Request
from bestie.pipeline.source import Source
from bestie.pipeline.trainings import checkpoints, final_metrics

__all__ = ["Measurements", "labels_of_dataset"]

# Training images, and checkpoints, that stand for all in "label quality over training".
MAX_IMAGES, MAX_CHECKPOINTS = 100, 10
# Of the models of a recipe, the one that is measured without a training.
BASELINE = "baseline"
# `bestie evaluate`'s names of COCO metrics.
COCO_METRICS = ("AP", "AP50", "AP75", "max_detections")


class Measurements:
    """What the stages that measure labels and models run and write."""

    def __init__(self, request: Request, source: Source, configs: TrainingConfigs):
        self.source, self.configs = source, configs
        self.labeler, self.models = request.recipe.labeler, request.recipe.models
        self.num_gpus = request.num_gpus
        self.folder = request.output
        self.quality, self.evaluation = self.folder / "quality", self.folder / "evaluation"
        self.points = source.points or self.folder / "cues"
        self.maps = source.maps or self.folder / request.recipe.latest("maps")

    def export(self, dataset: str, output: Path, weights: str | Path) -> Command:
        """The command that exports the labeler's labels for a data set."""
        more = {"MODEL.WEIGHTS": self.folder / weights}
        arguments = [
            *("--config-file", str(self.configs.config_file(self.labeler))),
            *("--num-gpus", str(self.num_gpus)),
            *("--dataset", dataset, "--output", str(output)),
            *self.configs.arguments(self.labeler, more),
        ]
        return Command("export", tuple(arguments))

    def quality_commands(self) -> list[Command]:
        """Score labels and components; export what the checkpoints before the last one find."""
        commands = []
        if self.source.truth["train"]:
            train, baseline = self.source.name("train"), self.quality / "baseline.json"
            commands.append(_score(self._labels, train, self.quality / "labels.json"))
            components = self.quality / "components.json"
            more = ("--baseline", "--maps", str(self.maps))
            commands.append(_score(components, train, baseline, more))
        make_subset(self.source, "train", self.quality / SUBSET, MAX_IMAGES)
        last, *earlier = reversed(self._checkpoints().items())
        for steps, path in reversed(earlier):
            commands.append(self.export(self._subset_name, self._labels_after(steps), path))
        return commands

    def write_quality(self) -> None:
        """Join what the commands left to quality.json."""
        has_truth = bool(self.source.truth["train"])
        register_dataset(self._subset_name)
        register_dataset(self.source.name("train"))
        *earlier, last = self._checkpoints()
        labels = read_coco(self._labels)
        curve = [self._point(steps, read_coco(self._labels_after(steps))) for steps in earlier]
        curve.append(self._point(last, labels_of_dataset(labels, self._subset_name)))
        content = {
            "truth": has_truth,
            "labels": _read_json(self.quality / "labels.json") if has_truth else None,
            "baseline": _read_json(self.quality / "baseline.json") if has_truth else None,
            "over_training": curve,
            "agreement": self._agreement(self.source.name("train"), labels),
        }
        _write_json(self.quality / "quality.json", content)

    def evaluation_commands(self) -> list[Command]:
        """Score the components of the validation images' maps, where these were supplied."""
        if not (self._is_evaluated and self.source.val_maps):
            return []
        components, output = self.evaluation / "components.json", self.evaluation / "baseline.json"
        limit = self.configs.cfg[self.labeler].TEST.DETECTIONS_PER_IMAGE  # as for the models
        more = ("--baseline", "--maps", str(self.source.val_maps), "--max-detections", str(limit))
        return [_score(components, self.source.name("val"), output, more)]

    def write_results(self) -> None:
        """Join the metrics of the models to results.json."""
        if not self._is_evaluated:
            reason = "; ".join(self.source.notes) or "no ground truth"
            _write_json(self.evaluation / "results.json", {"skipped": reason})
            return
        baseline = None
        if self.source.val_maps:
            found = _read_json(self.evaluation / "baseline.json")
            score = found["average_precision"]
            if score and found["max_detections"]:
                score |= {"max_detections": found["max_detections"]}
            kinds = {key: "segm" if key in COCO_METRICS else "voc" for key in score or {}}
            baseline = {f"{kinds[key]}/{key}": value for key, value in (score or {}).items()}
        content = {
            "dataset": self.source.name("val"),
            "baseline": baseline,
            **{name: final_metrics(self.folder / name) for name in self.models if name != BASELINE},
        }
        _write_json(self.evaluation / "results.json", content)

    @property
    def _is_evaluated(self) -> bool:
        return bool(self.source.truth.get("val"))

    @property
    def _subset_name(self) -> str:
        return dataset_name("folder", self.quality / SUBSET, SUBSET)

    @property
    def _labels(self) -> Path:
        return self.folder / "labels/labels.json"

    def _labels_after(self, steps: int) -> Path:
        return self.quality / f"after_{steps:07d}.json"

    def _checkpoints(self) -> dict[int, Path]:
        """Steps -> checkpoint of the labeler, ten at most, spread over the training."""
        folder = self.folder / self.labeler
        last = self.configs.cfg[self.labeler].SOLVER.MAX_ITER
        found = checkpoints(folder) | {last: folder / "model_final.pth"}
        steps = sorted(found)
        chosen = (
            np.linspace(0, len(steps) - 1, min(len(steps), MAX_CHECKPOINTS)).round().astype(int)
        )
        return {steps[i]: found[steps[i]] for i in chosen}

    def _point(self, steps: int, coco: dict[str, Any]) -> dict[str, Any]:
        """One point of label quality over training, from labels of the subset."""
        quality: dict[str, float | None] = dict.fromkeys(("true_positives", "precision", "recall"))
        if self.source.truth["train"]:
            total = evaluate_labels(coco, self._subset_name).quality.total()
            quality = {key: total[key] for key in quality}
        count = len(coco["annotations"])
        return {
            "iteration": steps,
            "labels": count,
            **quality,
            "instances_per_image": count / len(coco["images"]),
            "coverage": self._agreement(self._subset_name, coco)["tags_with_labels"],
        }

    def _agreement(self, dataset: str, coco: dict[str, Any]) -> dict[str, float | None]:
        return measure_agreement(self._compared(dataset, coco))

    def _compared(self, dataset: str, coco: dict) -> Iterator[tuple]:
        metadata = MetadataCatalog.get(dataset)
        by_image = annotations_by_image(coco)
        threshold = self.configs.point_threshold
        for record in DatasetCatalog.get(dataset):
            points = read_points(self.points / f"{record['image_name']}.txt")
            kept = points.scores > threshold
            points = Points(points.yx[kept], points.classes[kept], points.scores[kept])
            semantic_map = read_semantic_map(self.maps / f"{record['image_name']}.png")
            masks = LabelledMasks.from_annotations(
                by_image.get(record["image_id"], []),
                (record["height"], record["width"]),
                metadata.thing_dataset_id_to_contiguous_id,
            )
            yield points, semantic_map, masks, record.get("image_labels", [])


def _score(labels: Path, dataset: str, output: Path, more: tuple[str, ...] = ()) -> Command:
    arguments = (str(labels), "--dataset", dataset, "--json", *more)
    return Command("evaluate", arguments, stdout=output)


def labels_of_dataset(coco: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The part of a COCO dict that is about the images of a data set, under its image ids."""
    ids = {record["image_name"]: record["image_id"] for record in DatasetCatalog.get(dataset)}
    part = part_of_coco(coco, list(ids))
    new = {image["id"]: ids[image_stem(image)] for image in part["images"]}
    images = [image | {"id": new[image["id"]]} for image in part["images"]]
    annotations = [entry | {"image_id": new[entry["image_id"]]} for entry in part["annotations"]]
    return part | {"images": images, "annotations": annotations}


def _read_json(path: Path) -> Any:
    """Content of a json file, None for what is no number.

    Raises:
        DataError: the file is missing or broken.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_constant=lambda name: None)
    except FileNotFoundError:
        raise DataError("file does not exist", path) from None
    except ValueError as error:
        raise DataError(f"is not well-formed json ({error})", path) from None


def _write_json(path: Path, content: Any) -> None:
    with atomic_write(path) as file:
        file.write(to_json(content, indent=1))
