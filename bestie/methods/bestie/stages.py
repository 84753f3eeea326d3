"""Stages of BESTIE that only tables of the paper need: refined labels over the training, rounds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bestie.data import register_dataset
from bestie.data.augmentation import ResizeAndScale
from bestie.evaluation import evaluate_labels
from bestie.evaluation.masks import annotations_by_image
from bestie.formats import Points, atomic_write, decode_mask, read_coco, read_semantic_map, to_json
from bestie.formats.images import write_semantic_map
from bestie.formats.ledger import LEDGER, read_ledger, write_ledger_entry
from bestie.formats.text import write_points
from bestie.formats.true_masks import image_stem
from bestie.methods.bestie.rounds import gap_for, labels_as_components
from bestie.pipeline.derived import SUBSET, make_subset
from bestie.pipeline.process import Command
from bestie.pipeline.stages import COMMAND_CODE, Run, Step
from bestie.pipeline.trainings import checkpoints

__all__ = ["LABELS", "MeasureRefinement", "NextRound"]

LABELS = "labels/labels.json"
# Training images that stand for all in the curve of refined labels, at most.
MAX_IMAGES = 100


@dataclass(frozen=True)
class MeasureRefinement(Step):
    """True positives of pseudo labels, and of refined ones at every checkpoint of the training."""

    outputs: tuple[str, ...] = ("refinement/over_training.json",)
    code: tuple[str, ...] = (
        COMMAND_CODE["export"],
        COMMAND_CODE["evaluate"],
        "bestie.methods.bestie.refined_labels",
        "bestie.methods.bestie.stages",
    )

    def commands(self, run: Run, resume: bool) -> list[Command]:
        folder, cfg = run.folder / self.name, run.configs.cfg[self.training]
        dataset = make_subset(run.source, "train", folder / SUBSET, MAX_IMAGES)
        pseudo = (
            *(str(folder / "pseudo_labels.json"), "--dataset", dataset, "--baseline", "--json"),
            *("--maps", str(_maps_of(run))),
            *("--points", str(run.source.points or run.folder / "cues")),
            *("--score-threshold", str(cfg.INPUT.POINT_SCORE_THRESH)),
            *("--min-area", str(cfg.MODEL.BESTIE.MIN_AREA)),
        )
        commands = [Command("evaluate", pseudo, stdout=folder / "pseudo.json")]
        for steps, weights in self._checkpoints(run).items():
            values = {
                "MODEL.WEIGHTS": weights,
                "MODEL.META_ARCHITECTURE": "RefinedLabels",
                "INPUT.DATASET_MAPPER_NAME": "RefinementMapper",
                "MODEL.BESTIE.TEST.FLIP": False,  # training has no mirrored average
                "TEST.EVALUATORS": "[]",
            }
            arguments = ["--dataset", dataset, "--output", str(self._labels(run, steps))]
            commands.append(run.command("export", self.training, arguments, **values))
        return commands

    def finish(self, run: Run) -> None:
        folder = run.folder / self.name
        dataset = make_subset(run.source, "train", folder / SUBSET, MAX_IMAGES)
        register_dataset(dataset)
        pseudo = json.loads((folder / "pseudo.json").read_text(encoding="utf-8"))["total"]
        curve = []
        for steps in self._checkpoints(run):
            total = evaluate_labels(self._labels(run, steps), dataset).quality.total()
            curve.append({"iteration": steps, **total})
        with atomic_write(run.folder / self.outputs[0]) as file:
            file.write(to_json({"pseudo": pseudo, "refined": curve}, indent=1))

    def _labels(self, run: Run, steps: int) -> Path:
        return run.folder / self.name / f"after_{steps:07d}.json"

    def _checkpoints(self, run: Run) -> dict[int, Path]:
        """Steps -> checkpoint, in order."""
        folder, cfg = run.folder / self.training, run.configs.cfg[self.training]
        found = checkpoints(folder) | {cfg.SOLVER.MAX_ITER: folder / "model_final.pth"}
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class NextRound(Step):
    """The labels as cues and weak maps, so that a further training has them as pseudo labels."""

    outputs: tuple[str, ...] = ("round/cues/*.txt", "round/maps/*.png", f"round/*/{LEDGER}")
    code: tuple[str, ...] = ("bestie.methods.bestie.stages",)

    def finish(self, run: Run) -> None:
        coco = read_coco(run.folder / LABELS)
        class_of = {entry["id"]: index for index, entry in enumerate(coco["categories"])}
        labels = annotations_by_image(coco)
        maps = _maps_of(run)
        cues, new_maps = (run.folder / self.name / name for name in ("cues", "maps"))
        for image in coco["images"]:
            name = image_stem(image)
            semantic_map = read_semantic_map(maps / f"{name}.png")
            of_image = labels.get(image["id"], [])
            instance_map, classes = _drawn(of_image, semantic_map.shape, class_of)
            gap = gap_for(max(semantic_map.shape), _smallest_side(run, semantic_map.shape))
            made, yx, kept = labels_as_components(semantic_map, instance_map, classes, gap)
            write_semantic_map(new_maps / f"{name}.png", made)
            write_points(cues / f"{name}.txt", Points(yx, kept, np.ones(len(kept))))
        self._write_ledgers(run, cues, new_maps)

    def _write_ledgers(self, run: Run, *folders: Path) -> None:
        """The labels behind the cues and maps of this run are those behind the new ones."""
        source, split = run.source, run.source.splits["train"]
        before = (source.points or run.folder / "cues", _maps_of(run))
        consumed: list[dict[str, Any]] = []
        for folder in before:
            for part in read_ledger(folder).get(split, {}).get("consumed", []):
                if part not in consumed:
                    consumed.append(part)
        for folder in folders:
            write_ledger_entry(folder, split, {"stage": self.title, "consumed": consumed})


def _drawn(
    annotations: Sequence[Mapping[str, Any]], size: tuple[int, ...], class_of: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Annotations of an image as (H, W) int32 instance map and (N,) int64 classes.

    Where masks overlap, the higher score counts.
    """
    instance_map = np.zeros(size, np.int32)
    ordered = sorted(annotations, key=lambda entry: entry["score"])
    for number, entry in enumerate(ordered, 1):
        instance_map[decode_mask(entry["segmentation"], *size).astype(bool)] = number
    classes = [class_of[entry["category_id"]] for entry in ordered]
    return instance_map, np.array(classes, dtype=np.int64)


def _smallest_side(run: Run, size: tuple[int, ...]) -> float:
    """Longer side of the smallest image that training makes of one of this size, pixels."""
    given = run.configs.cfg["bestie"].INPUT
    return max(ResizeAndScale(given.BASE_SIZE, given.SCALES).base_sides(*size)) * min(given.SCALES)


def _maps_of(run: Run) -> Path:
    """Folder of the semantic maps that BESTIE learns from."""
    return run.source.maps or run.folder / run.recipe.latest("maps")
