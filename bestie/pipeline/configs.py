"""The configurations of the three trainings: a preset, what the pipeline sets, what the user sets.

Comes in: a request and its data. Goes out: a config file and KEY VALUE overrides for each training,
as one would type them, and what they resolve to. Called by the pipeline's stages and its check.
"""

from functools import cached_property, lru_cache
from math import ceil
from os.path import isfile
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode

from bestie.data.registration import POINT_FOLDERS, dataset_name
from bestie.formats import DataError, configs_folder, find_image, hash_file, read_image_size
from bestie.pipeline.fingerprint import digest_of
from bestie.pipeline.limits import LIMIT, limit_settings, most_objects
from bestie.pipeline.request import TRAININGS, Request
from bestie.pipeline.source import Source
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
# Checkpoints of BESTIE from which the report draws label quality over training, at least.
CHECKPOINTS = 3
# A preset is made for images whose longer side is about INPUT.TEST_SIZE of its configs: at most
# LARGEST times that, and, but for a few (SMALL_SHARE of the images), at least SMALLEST times.
LARGEST, SMALLEST, SMALL_SHARE = 1.5, 0.5, 0.05
# Images whose sizes are looked at for that, at most.
SAMPLE = 2000


class TrainingConfigs:
    """Config files and overrides of "classifier", "bestie" and "maskrcnn"."""

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
        self.overrides = {name: self._overrides(name) for name in TRAININGS}
        for name in TRAININGS:
            self._add_what_others_decide(name)
        self.cfg = {name: self._merged(name) for name in TRAININGS}

    def arguments(self, name: str, more: dict[str, object] | None = None) -> list[str]:
        """Overrides of a training as they are typed at the end of a command."""
        values = self.overrides[name] | {key: str(value) for key, value in (more or {}).items()}
        return [part for pair in values.items() for part in pair]

    def config_file(self, name: str) -> Path:
        """YAML of the preset."""
        return configs_folder() / "pipeline" / self.request.preset / f"{name}.yaml"

    def describe_precision(self) -> str:
        """The numbers that the trainings calculate with: "bfloat16", "classifier float32, ..."."""
        found = {name: describe_precision(self.cfg[name]) for name in TRAININGS}
        if len(set(found.values())) == 1:
            return found[TRAININGS[0]]
        return ", ".join(f"{name} {precision}" for name, precision in found.items())

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
        return digest_of([cfg.dump(), self._weights(name), self.request.num_gpus])

    def _weights(self, name: str) -> dict[str, str]:
        """What a training starts from: digests of files, names of what is no file."""
        model = self.cfg[name].MODEL
        given = {"model": model.WEIGHTS, "timm": model.TIMM.WEIGHTS, "vgg": model.PAM.VGG_WEIGHTS}
        # A checkpoint of this run has a fingerprint in the manifest.
        found = {key: path for key, path in given.items() if path and not self.is_own(path)}
        return {key: _hash_once(path) if isfile(path) else path for key, path in found.items()}

    def is_own(self, path: str) -> bool:
        """Whether a file lies in the folder of this run."""
        return Path(path).is_relative_to(self.output)

    def _merged(self, name: str) -> CfgNode:
        return merge_config(str(self.config_file(name)), self.arguments(name))

    def _overrides(self, name: str) -> dict[str, str]:
        values = {"DATASETS.TRAIN": _names(self.source.name("train"))}
        if name == "maskrcnn":
            labels = self.output / "labels/labels.json"
            values["DATASETS.TRAIN"] = _names(dataset_name("coco", labels, self.source.image_dir))
        values["DATASETS.TEST"] = _names(*self._test_sets(name))
        values["OUTPUT_DIR"] = str(self.output / name)
        if self.request.preset == "quick":
            values["MODEL.DEVICE"] = "cuda" if torch.cuda.is_available() else "cpu"
        values |= self._sizes(name)
        if name == "bestie":
            values["MODEL.BESTIE.SUPERVISION"] = self.request.supervision
            values["INPUT.POINTS_DIR"] = self._points_dir()
            values["INPUT.MAPS_DIR"] = str(self.source.maps or self.output / "maps")
        if not self._test_sets(name):
            values |= {"TEST.EVAL_PERIOD": "0", "TEST.BEST_METRIC": ""}
        elif name != "classifier" and self.source.truth["val"] == "masks":
            values["TEST.EVALUATORS"] = "['voc']"
        return values | self.request.settings(name)

    def _add_what_others_decide(self, name: str) -> None:
        given, values = self.request.settings(name), self.overrides[name]
        cfg = self._merged(name)
        if self.request.preset == "quick" and "SOLVER.AMP.ENABLED" not in given:
            # Made for CPUs of every kind: bfloat16 where the processor is faster with it.
            if cfg.MODEL.DEVICE == "cpu" and not why_no_bfloat16(cfg):
                values["SOLVER.AMP.ENABLED"] = "True"
        if name == "bestie" and "SOLVER.CHECKPOINT_PERIOD" not in given:
            period = ceil(cfg.SOLVER.MAX_ITER / CHECKPOINTS)
            if period < cfg.SOLVER.CHECKPOINT_PERIOD:
                values["SOLVER.CHECKPOINT_PERIOD"] = str(period)
        if name == "maskrcnn" and "timm" in cfg.MODEL.BACKBONE.NAME:
            # It starts from BESTIE's backbone: no labels but those that BESTIE saw.
            values.setdefault("MODEL.TIMM.WEIGHTS", str(self.output / "bestie/model_final.pth"))
        if name != "classifier":
            most = 0 if LIMIT in given else self.most_objects
            values |= limit_settings(cfg, most) | given

    @cached_property
    def most_objects(self) -> int:
        """Objects of the fullest image that the data shows."""
        return most_objects(self.source, self._merged("bestie").INPUT.POINT_SCORE_THRESH)

    def _test_sets(self, name: str) -> list[str]:
        if "val" not in self.source.splits:
            return []
        if name == "classifier":
            return [self.source.name("val")] if self._is_val_tagged else []
        return [self.source.name("val")] if self.source.truth["val"] else []

    @cached_property
    def _is_val_tagged(self) -> bool:
        """Whether every validation image has tags, so that the classifier can be scored."""
        return self.source.is_tagged("val")

    def _points_dir(self) -> str:
        if self.source.points is None:
            return str(self.output / "cues")
        by_default = self.source.root / POINT_FOLDERS[self.request.supervision]
        return "" if self.source.points == by_default else str(self.source.points)

    def _sizes(self, name: str) -> dict[str, str]:
        """Sizes at which the networks of a training see images, from the sizes of the data.

        Images that the preset is made for are seen as they are; the sizes of others, or of images
        given to the trained model later, do not matter. Mask R-CNN resizes every image anyway
        (INPUT.MIN_SIZE_TRAIN, MIN_SIZE_TEST).
        """
        if name == "maskrcnn":
            return {}
        preset = merge_config(str(self.config_file(name)), [])
        own, sides = preset.INPUT.TEST_SIZE, self._longer_sides
        few_small = np.quantile(sides, SMALL_SHARE)
        if sides.max() <= LARGEST * own and few_small >= SMALLEST * own:
            if name == "classifier":
                return {"INPUT.TEST_SIZE": "0"}
            values = {"INPUT.TEST_SIZE": str(int(np.median(sides)))}
            if "INPUT.TEST_SIZE" not in self.request.settings(name):
                values["INPUT.TEST_SIZE_KEPT"] = str([int(sides.min()), int(sides.max())])
            return values
        base = preset.INPUT.BASE_SIZE or own
        if name == "classifier":  # squares: training should not see less than the cues will
            base = max(base, preset.MODEL.PAM.CUES.IMAGE_SIZE, *preset.INPUT.CROP.SIZE)
        return {"INPUT.TEST_SIZE": str(own), "INPUT.BASE_SIZE": str(base)}

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
