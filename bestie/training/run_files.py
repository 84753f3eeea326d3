"""The files of a pipeline run: its training data, cues, maps and labels.

``tools/visualize.py --run`` draws them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from bestie.data.mappers import points_folder
from bestie.data.registration import parse_name
from bestie.formats import DataError
from bestie.training.setup import merge_config

__all__ = ["RunFiles", "find_run_files"]


@dataclass(frozen=True)
class RunFiles:
    """Files of a run.

    Attributes:
        dataset: name of the training data; "" if BESTIE's training has not started.
        points, maps: folders of the points and semantic maps that BESTIE trains on, made by the
            run or supplied; "" if they do not exist yet.
        labels: COCO JSON of the exported labels; "" if they do not exist yet.
        point_score: confidence above which points train; None if it is unknown.
    """

    dataset: str = ""
    points: str = ""
    maps: str = ""
    labels: str = ""
    point_score: float | None = None


def find_run_files(folder: str | os.PathLike) -> RunFiles:
    """Look at the folder of a run, which need not be finished.

    Raises:
        DataError: it is not the folder of a run.
        ValueError: the config of BESTIE's training is damaged.
    """
    folder = Path(folder)
    if not (folder / "manifest.json").is_file():
        raise DataError("is not the folder of a run of the pipeline (no manifest.json)", folder)
    points, maps, labels = folder / "cues", folder / "maps", folder / "labels/labels.json"
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
        str(labels) if labels.is_file() else "",
        score,
    )
