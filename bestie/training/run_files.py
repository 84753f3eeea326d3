"""The files of a pipeline run: its last model, its training data, cues, maps and labels.

``bestie predict --run`` and ``bestie.load`` take the model, ``bestie visualize --run`` draws the
rest.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bestie.data.mappers import points_folder
from bestie.data.registration import parse_name
from bestie.formats import DataError
from bestie.training.setup import merge_config

__all__ = ["MANIFEST", "RunFiles", "find_checkpoint", "find_run_files", "stage_state"]

# Of the folder of a run; the config and the last checkpoint of the folder of a training.
MANIFEST, CONFIG, WEIGHTS = "manifest.json", "config.yaml", "model_final.pth"


@dataclass(frozen=True)
class RunFiles:
    """Files of a run.

    Attributes:
        dataset: name of the training data; "" if the training on points and maps has not started.
        points, maps: folders of the points and semantic maps that training reads, made by the run
            or supplied; "" if they do not exist yet.
        labels: COCO JSON of the labels that the last training reads; "" if the stage that makes
            them has not finished.
        root: folder of the data; "" if the data is a COCO json.
        labels_missing: stage that should have made the labels, and what became of it ("labels
            failed: out of memory"); "" if they exist.
        point_score: confidence above which points train; None if it is unknown.
    """

    dataset: str = ""
    points: str = ""
    maps: str = ""
    labels: str = ""
    point_score: float | None = None
    root: str = ""
    labels_missing: str = ""


def find_checkpoint(source: str | os.PathLike) -> tuple[Path, Path]:
    """The trained model that a path stands for.

    Args:
        source: the folder of a run (then its last training counts), the OUTPUT_DIR of a finished
            training, or a checkpoint that lies in such a folder beside ``config.yaml``.

    Returns:
        The config, and the checkpoint beside it.

    Raises:
        ValueError: nothing to load there, or a training that has not finished.
    """
    source = Path(source)
    if source.is_file():
        config = source.with_name(CONFIG)
        if not config.is_file():
            raise ValueError(f"{source}: no {CONFIG} lies beside it; a training writes one there")
        return config, source
    if not source.is_dir():
        raise ValueError(f"{source}: no such file or folder")
    folder = _last_training(source) if (source / MANIFEST).is_file() else source
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} has no {' and no '.join(missing)}; the OUTPUT_DIR of a finished training or "
            "the folder of a pipeline run is expected"
        )
    return folder / CONFIG, folder / WEIGHTS


def _last_training(folder: Path) -> Path:
    """Folder of the last training that a run has started, in the order of its stages."""
    stages = _manifest(folder)["stages"]
    started = [folder / name for name in stages if (folder / name / CONFIG).is_file()]
    if not started:
        raise ValueError(f"{folder}: this run has not trained a model yet")
    return started[-1]


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run, with its stages.

    Raises:
        ValueError: it is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return manifest | {"stages": dict(manifest["stages"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / MANIFEST} is damaged: {error!r}") from None


def find_run_files(folder: str | os.PathLike) -> RunFiles:
    """Look at the folder of a run, which need not be finished.

    Raises:
        DataError: it is not the folder of a run.
        ValueError: the manifest, or the config of the training on points and maps, is damaged.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise DataError(f"is not the folder of a run of the pipeline (no {MANIFEST})", folder)
    manifest = _manifest(folder)
    points, maps = folder / "cues", folder / "maps"
    # A run that refines its labels has a stage for the rough ones of its refiner. A later run in
    # the same folder may have gone without: entries of stages stay, so the names say which it has.
    refines = {"rough", "refined"} & set(manifest.get("stage_names", manifest["stages"]))
    labeler = "refined" if refines else "labels"
    labels = folder / labeler / "labels.json"
    missing = _why_unfinished(labeler, manifest["stages"].get(labeler))
    if not (missing or labels.is_file()):
        missing = f"{labeler} is done, but {labels} has been removed"
    data = str(manifest.get("data", ""))
    dataset, score = "", None
    if (folder / "bestie/config.yaml").is_file():
        cfg = merge_config(str(folder / "bestie/config.yaml"), [])
        (dataset,) = cfg.DATASETS.TRAIN
        root, score = Path(parse_name(dataset)[1]), cfg.INPUT.POINT_SCORE_THRESH
        # Supplied ones; what the run made itself moves with its folder.
        points = points if points.is_dir() else root / points_folder(cfg)
        maps = maps if maps.is_dir() else root / cfg.INPUT.MAPS_DIR
    return RunFiles(
        dataset,
        str(points) if points.is_dir() else "",
        str(maps) if maps.is_dir() else "",
        "" if missing else str(labels),
        score,
        "" if data.startswith("coco:") else data,
        missing,
    )


def _why_unfinished(stage: str, entry: Any) -> str:
    """What became of a stage that has not finished; "" if it has.

    One that finished and was skipped later keeps its outputs; one that started has none until it
    is done.
    """
    entry = entry if isinstance(entry, dict) else {}
    state = "" if entry.get("outputs") else stage_state(entry)
    return f"{stage} {state}" if state else ""


def stage_state(entry: Mapping[str, Any]) -> str:
    """What became of a stage, by its entry in the manifest; "" if it is done.

    "did not run", "has not finished", "failed: out of memory", "was skipped: maps are given".
    """
    status, reason = entry.get("status"), entry.get("reason", "")
    if status == "done":
        return ""
    if status == "running":
        return "has not finished"
    what = {"failed": "failed", "skipped": "was skipped"}.get(str(status))
    return f"{what}{f': {reason}' if reason else ''}" if what else "did not run"
