"""What the stages of a pipeline left in its output folder.

The other modules of the report get parsed files from here, or None and a note about what is wrong
with a file.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from detectron2.config import CfgNode

from bestie.formats import DataError
from bestie.training.run_files import MANIFEST, stage_state
from bestie.training.setup import default_config
from bestie.visualization import read_metrics

__all__ = ["MANIFEST", "ReportPlan", "RunFolder"]


@dataclass(frozen=True)
class ReportPlan:
    """What the report has to know of the recipe that a run followed.

    Attributes:
        title: of the page.
        titles: stage -> what people call it, in the order of the stages.
        trainings: stages that train a network.
        detectors: those of them whose networks find instances.
        labeler: the one whose network gives the labels of the training images; "": none.
        models: name in evaluation/results.json -> title, each standing on the one before.
        supervision_keys: training that reads points -> key that says what its points are.
        map_readers: trainings that read semantic maps.
    """

    title: str = "Report"
    titles: Mapping[str, str] = field(default_factory=dict)
    trainings: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    labeler: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    supervision_keys: Mapping[str, str] = field(default_factory=dict)
    map_readers: tuple[str, ...] = ()


class RunFolder:
    """The output folder of a pipeline run.

    Attributes:
        root (Path): the folder.
        plan: what is known of its recipe.
        manifest (dict): its manifest.
        notes (list[str]): files that could not be used, and why; filled while files are read.
    """

    def __init__(self, root: str | os.PathLike, plan: ReportPlan):
        """
        Args:
            root: the folder.
            plan: of its recipe.

        Raises:
            DataError: the folder has no manifest, or a broken one.
        """
        self.root, self.plan = Path(root).resolve(), plan
        self.notes: list[str] = []
        path = self.root / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror}); is this the output folder of a pipeline?", path
            ) from None
        except ValueError as error:
            raise DataError(f"is not well-formed json ({error})", path) from None
        if not isinstance(manifest, dict) or not isinstance(manifest.get("stages"), dict):
            raise DataError("holds no object with 'stages'", path)
        self.manifest: dict[str, Any] = manifest
        self.stages: dict[str, dict[str, Any]] = manifest["stages"]

    def json(self, name: str) -> dict[str, Any] | None:
        """The object in a json file of the folder; None if there is none, or a broken one."""
        path = self.root / name
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.note(f"{name} cannot be read: {error}")
            return None
        if not isinstance(content, dict):
            self.note(f"{name} cannot be read: is not a json object")
            return None
        return content

    def config(self, stage: str) -> CfgNode | None:
        """The config that a training wrote; None if there is none, or a broken one."""
        path = self.root / stage / "config.yaml"
        if not path.is_file():
            return None
        cfg = default_config()
        try:
            cfg.merge_from_file(str(path), allow_unsafe=False)
        except (OSError, KeyError, AssertionError, ValueError, yaml.YAMLError) as error:
            self.note(f"{stage}/config.yaml cannot be read: {error}")
            return None
        return cfg

    def metrics(self, stage: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> (iterations, values) of a training; empty if there is no log, or a broken one."""
        path = self.root / stage / "metrics.json"
        if not path.is_file():
            return {}
        try:
            return read_metrics(path)
        except DataError as error:
            self.note(f"{stage}/metrics.json: {error.message}")
            return {}

    def reporting(self, file: str) -> list[str]:
        """Stages that left a file of this name ("maps.json") in their report, in their order."""
        found = [path.parent.parent.name for path in sorted(self.root.glob(f"*/report/{file}"))]
        order = list(self.plan.titles)
        return sorted(found, key=lambda name: order.index(name) if name in order else len(order))

    def absence(self, stage: str) -> str:
        """Why there is nothing of a stage: one sentence."""
        what = stage_state(self.stages.get(stage, {})) or "left nothing to show"
        return f"Nothing here: the stage “{self.title(stage)}” {what}."

    def title(self, stage: str) -> str:
        """What people call a stage; its name if the recipe does not know it."""
        return self.plan.titles.get(stage, stage)

    def note(self, text: str) -> None:
        """Remember a file that could not be used, once."""
        if text not in self.notes:
            self.notes.append(text)
