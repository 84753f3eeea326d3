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
from bestie.engine.pipeline.fingerprint import digest_of
from bestie.engine.pipeline.limits import LIMIT, limit_settings, most_objects
from bestie.engine.pipeline.settings import TRAININGS, Request
from bestie.engine.pipeline.source import Source
from bestie.engine.setup import merge_config
from bestie.files import (
    DataError,
    configs_folder,
    find_image,
    hash_file,
    read_image_size,
)

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
# The quick preset is made for images of about this longer side, pixels; much larger ones are scaled
# to it.
QUICK_SIDE = 225
QUICK_MAX_SIDE = 320
# Images whose sizes are looked at for that.
SAMPLE = 200


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
            values |= self._fitted(name)
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

    def _fitted(self, name: str) -> dict[str, str]:
        """Settings that bring large images to the size that the quick preset is made for."""
        if self._usual_side <= QUICK_MAX_SIDE:
            return {}
        factor = QUICK_SIDE / self._usual_side
        if name == "bestie":
            return {
                "INPUT.BASE_SIZE": str(QUICK_SIDE),
                "MODEL.BESTIE.TEST.SCALE": f"{max(factor, 0.1):.3f}",
            }
        if name == "classifier":
            base = merge_config(str(self.config_file(name)), [])
            scales = [round(scale * factor, 3) for scale in base.MODEL.PAM.MAPS.SCALES]
            side = max(base.MODEL.PAM.CUES.IMAGE_SIZE, *base.INPUT.CROP.SIZE)
            return {"INPUT.BASE_SIZE": str(side), "MODEL.PAM.MAPS.SCALES": str(scales)}
        return {}

    @cached_property
    def _usual_side(self) -> float:
        """Median longer side of the training images, pixels."""
        ids = self.source.ids["train"]
        sides = []
        for image_id in ids[:: max(1, len(ids) // SAMPLE)]:
            path = find_image(self.source.root, image_id)
            try:
                sides.append(max(read_image_size(path)) if path else 0)
            except DataError:  # the check stage reports it
                continue
        return float(np.median(sides)) if any(sides) else 1.0


@lru_cache
def _hash_once(path: str) -> str:
    return hash_file(path)


def _names(*names: str) -> str:
    """Names of data sets as a value of DATASETS.TRAIN or TEST."""
    return str(tuple(names))
