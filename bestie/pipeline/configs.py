"""The configurations of the trainings: a preset, what the pipeline sets, what the user sets.

A request and its data give a config file and KEY VALUE overrides for each training of the recipe,
as one would type them, and what they resolve to.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from math import ceil
from os.path import isfile
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode

from bestie.data.registration import POINT_FOLDERS, dataset_name
from bestie.formats import DataError, find_image, hash_file, read_image_size
from bestie.method import METHODS
from bestie.pipeline.fingerprint import digest_of
from bestie.pipeline.limits import LIMIT, limit_settings, most_objects
from bestie.pipeline.recipe import Facts, Training
from bestie.pipeline.request import Request
from bestie.pipeline.source import Source
from bestie.training.accepted_values import value_of
from bestie.training.precision import describe_precision, why_no_bfloat16
from bestie.training.setup import merge_config

__all__ = ["TrainingConfigs"]

# Keys whose values are paths: what they point to has a fingerprint of its own.
PATH_KEYS = (
    "DATASETS.TRAIN",
    "DATASETS.TEST",
    "INPUT.POINTS_DIR",
    "INPUT.MAPS_DIR",
    "OUTPUT_DIR",
    "MODEL.WEIGHTS",
    "MODEL.TIMM.WEIGHTS",
)
# Presets that are made for processors of every kind, with or without a GPU.
ANYWHERE = ("quick", "small")
# Images whose sizes are read, at most.
SAMPLE = 2000


class TrainingConfigs:
    """Config files and overrides of the trainings of a recipe."""

    def __init__(self, request: Request, source: Source, output: Path):
        """
        Args:
            request: of the run.
            source: its data.
            output: the pipeline's folder.

        Raises:
            ValueError: unknown keys, values of a wrong type.
        """
        self.request, self.source, self.output = request, source, output
        self.recipe = request.recipe
        self.names = self.recipe.training_names
        self.overrides = {t.name: self._overrides(t) for t in self.recipe.trainings}
        for training in self.recipe.trainings:
            self._add_what_others_decide(training)
        self.cfg = {name: self._merged(name) for name in self.names}

    def arguments(self, name: str, more: Mapping[str, object] | None = None) -> list[str]:
        """Overrides of a training as they are typed at the end of a command."""
        values = self.overrides[name] | {key: str(value) for key, value in (more or {}).items()}
        return [part for pair in values.items() for part in pair]

    def config_file(self, name: str) -> Path:
        """YAML of the preset."""
        variant = self.request.variants.get(name, "")
        return self.recipe.config_file(self.request.preset, name, variant)

    def describe_precision(self) -> str:
        """The numbers that the trainings calculate with: "bfloat16", "classifier float32, ..."."""
        found = {name: describe_precision(self.cfg[name]) for name in self.names}
        if len(set(found.values())) == 1:
            return found[self.names[0]]
        return ", ".join(f"{name} {precision}" for name, precision in found.items())

    @property
    def usual_side(self) -> int:
        """Median of the longer sides of the images, pixels."""
        return int(np.median(self._longer_sides))

    def describe_sizes(self) -> str:
        """The longer sides of the images in words: "longer side 500 px", "... 300 to 4032 px"."""
        low, high = int(self._longer_sides.min()), int(self._longer_sides.max())
        return f"longer side {low}{f' to {high}' if high > low else ''} px"

    @property
    def on_cpu(self) -> bool:
        """Whether a training runs on the CPU."""
        return any(cfg.MODEL.DEVICE == "cpu" for cfg in self.cfg.values())

    def digest(self, name: str, *, without: tuple[str, ...] = ()) -> str:
        """Fingerprint of the settings of a training, paths apart.

        Args:
            name: of the training.
            without: keys (or nodes) more that do not matter.
        """
        cfg = self.cfg[name].clone()
        for key in (*PATH_KEYS, "DATALOADER.NUM_WORKERS", *without):
            node, _, last = key.rpartition(".")
            parent = cfg
            for part in node.split(".") if node else []:
                parent = parent[part]
            parent.pop(last)
        return digest_of([cfg.dump(), self._weights(name), self.processes(name)])

    def processes(self, name: str) -> int:
        """Processes of a training.

        Batch norm on a CPU sees the images of its own process only. A network that starts from
        random weights learns far worse from such parts of a batch, so it gets one process.
        """
        on_cpu = self.cfg[name].MODEL.DEVICE == "cpu"
        return 1 if on_cpu and not self.given_weights(name) else self.request.num_gpus

    def _weights(self, name: str) -> dict[str, str]:
        """What a training starts from: digests of files, names of what is no file."""
        given = self.given_weights(name)
        # A checkpoint of this run has a fingerprint in the manifest.
        found = {key: path for key, path in given.items() if not self.is_own(path)}
        return {key: _hash_once(path) if isfile(path) else path for key, path in found.items()}

    def given_weights(self, name: str) -> dict[str, str]:
        """Key -> value of the weights that a training starts from; empty: random ones."""
        keys = ["MODEL.WEIGHTS", "MODEL.TIMM.WEIGHTS"]
        keys += [key for method in METHODS.values() for key in method.weights]
        given = {key: value_of(self.cfg[name], key) for key in keys}
        return {key: path for key, path in given.items() if path}

    def is_own(self, path: str) -> bool:
        """Whether a file lies in the folder of this run."""
        return Path(path).is_relative_to(self.output)

    def _merged(self, name: str) -> CfgNode:
        return merge_config(str(self.config_file(name)), self.arguments(name))

    def _overrides(self, training: Training) -> dict[str, str]:
        name, given = training.name, self.request.settings(training.name)
        if training.labels:
            labels = self.output / training.labels
            trained = dataset_name("coco", labels, self.source.image_dir)
        else:
            trained = self.source.name("train")
        values = {"DATASETS.TRAIN": _names(trained)}
        tested = self._test_sets(training)
        values["DATASETS.TEST"] = _names(*tested)
        values["OUTPUT_DIR"] = str(self.output / name)
        if self.request.preset in ANYWHERE:
            values["MODEL.DEVICE"] = "cuda" if torch.cuda.is_available() else "cpu"
        values |= training.settings(self._facts(name, given))
        if not tested:
            values |= {"TEST.EVAL_PERIOD": "0", "TEST.BEST_METRIC": ""}
        elif training.finds_instances and self.source.truth["val"] == "masks":
            values["TEST.EVALUATORS"] = "['voc']"
        return values | given

    def _facts(self, name: str, given: Mapping[str, str]) -> Facts:
        return Facts(
            supervision=self.request.supervision,
            points=self._points_dir(),
            maps=str(self.source.maps or self.output / self.recipe.latest("maps", name)),
            preset=merge_config(str(self.config_file(name)), []),
            sides=self._longer_sides,
            given=given,
        )

    def _add_what_others_decide(self, training: Training) -> None:
        given, values = self.request.settings(training.name), self.overrides[training.name]
        cfg = self._merged(training.name)
        if self.request.preset in ANYWHERE and "SOLVER.AMP.ENABLED" not in given:
            # Made for CPUs of every kind: bfloat16 where the processor is faster with it.
            if cfg.MODEL.DEVICE == "cpu" and not why_no_bfloat16(cfg):
                values["SOLVER.AMP.ENABLED"] = "True"
        if training.checkpoints and "SOLVER.CHECKPOINT_PERIOD" not in given:
            period = ceil(cfg.SOLVER.MAX_ITER / training.checkpoints)
            if period < cfg.SOLVER.CHECKPOINT_PERIOD:
                values["SOLVER.CHECKPOINT_PERIOD"] = str(period)
        if training.starts_from and "timm" in cfg.MODEL.BACKBONE.NAME:
            # The backbone brings no labels but those that the other training saw.
            weights = self.output / training.starts_from / "model_final.pth"
            values.setdefault("MODEL.TIMM.WEIGHTS", str(weights))
        if training.finds_instances:
            most = 0 if LIMIT in given else self.most_objects
            values |= limit_settings(cfg, most) | given

    @cached_property
    def most_objects(self) -> int:
        """Objects of the fullest image that the data shows."""
        return most_objects(self.source, self.point_threshold)

    @property
    def point_threshold(self) -> float:
        """Confidence above which points train."""
        name = self.recipe.labeler or self.names[0]
        return float(self._merged(name).INPUT.POINT_SCORE_THRESH)

    def _test_sets(self, training: Training) -> list[str]:
        if "val" not in self.source.splits or not training.evaluated:
            return []
        if not training.finds_instances:
            return [self.source.name("val")] if self._is_val_tagged else []
        return [self.source.name("val")] if self.source.truth["val"] else []

    @cached_property
    def _is_val_tagged(self) -> bool:
        """Whether every validation image has tags, so that the classifier can be scored."""
        return self.source.is_tagged("val")

    def _points_dir(self) -> str:
        if self.source.points is None:
            return str(self.output / "cues")
        by_default = POINT_FOLDERS.get(self.request.supervision)
        is_default = by_default is not None and self.source.points == self.source.root / by_default
        return "" if is_default else str(self.source.points)

    @cached_property
    def _longer_sides(self) -> np.ndarray:
        """(N,) int64 longer sides of the images of all splits, pixels; [1] if none is readable."""
        ids = [image_id for part in self.source.ids.values() for image_id in part]
        sides = []
        for image_id in ids[:: max(1, len(ids) // SAMPLE)]:
            path = find_image(self.source.root, image_id)
            try:
                sides += [max(read_image_size(path))] if path else []
            except DataError:  # the check stage reports it
                continue
        return np.array(sides or [1])


@lru_cache
def _hash_once(path: str) -> str:
    return hash_file(path)


def _names(*names: str) -> str:
    """Names of data sets as a value of DATASETS.TRAIN or TEST."""
    return str(tuple(names))
