"""The paper's ablation of the instance cues: plain CAM against peak attention of several strengths.

For a classifier config whose data has ground truth, and several values of alpha, makes a table of
the quality of the cues, averaged over seeds. Each training and each extraction is a command that a
user could type; existing results are kept.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from tabulate import tabulate

from bestie.data import register_dataset
from bestie.evaluation.ground_truth import has_ground_truth
from bestie.formats import atomic_write
from bestie.formats.dataset_folder import CUES
from bestie.pipeline.process import Command, run_command
from bestie.training.setup import merge_config

__all__ = ["DEFAULT_CONFIG", "CueAblation", "ablate_cues"]

DEFAULT_CONFIG = "quick/shapes_pam.yaml"  # in configs/

COLUMNS = (
    "tag mAP", "cues", "objects", "one cue", "several", "none", "on background",
    "on other class", "pseudo instances", "true positives",
)  # fmt: skip


@dataclass(frozen=True)
class CueAblation:
    """Numbers of every run.

    Attributes:
        alphas (list[float]): thresholds of the peak attention.
        seeds (list[int]): of the trainings.
        values (np.ndarray): (alphas, seeds, len(COLUMNS)) float64.
    """

    alphas: list[float]
    seeds: list[int]
    values: np.ndarray

    def table(self) -> str:
        """Means over the seeds; true positives of each seed; their ratio to those of alpha 0."""
        hits = self.values[:, :, -1]
        plain = self.alphas.index(0.0) if 0.0 in self.alphas else None
        rows = []
        for row, alpha in enumerate(self.alphas):
            name = f"{alpha:g}" + (" (CAM)" if alpha == 0 else "")
            each = " / ".join(f"{value:g}" for value in hits[row])
            cells = [name, *self.values[row].mean(axis=0), each]
            if plain is not None:
                cells.append(hits[row].mean() / max(hits[plain].mean(), 1))
            rows.append(cells)
        headers = ["alpha", *COLUMNS, "by seed"] + ["ratio to CAM"] * (plain is not None)
        formats = ["", ".1f", *[".0f"] * (len(COLUMNS) - 1), "", ".2f"]
        return tabulate(rows, headers, tablefmt="pipe", floatfmt=formats[: len(headers)])

    def as_dict(self) -> dict:
        """Ready for json."""
        return {
            "alphas": self.alphas,
            "seeds": self.seeds,
            "columns": list(COLUMNS),
            "values": self.values.tolist(),
        }


def ablate_cues(
    config_file: str,
    output: Path,
    *,
    alphas: Sequence[float],
    seeds: Sequence[int],
    options: Sequence[str] = (),
    notify: Callable[[str], None] = lambda line: None,
) -> CueAblation:
    """Train a classifier for each alpha and seed, extract its cues and count what they make.

    The pseudo instances of all alphas are components of the same maps, those that the classifier of
    the largest alpha and the same seed makes: the cues alone differ.

    Args:
        config_file: of the classifier; DATASETS.TRAIN is one data set with ground truth, and cues
            above INPUT.POINT_SCORE_THRESH count.
        output: folder for everything.
        alphas: values of MODEL.PAM.ALPHA, each once.
        seeds: values of SEED, each once.
        options: KEY VALUE pairs for every command.
        notify: called with each command before it runs.

    Raises:
        ValueError: no or repeated alphas or seeds, unsuitable data, or a folder with results of
            other settings.
        bestie.pipeline.process.CommandError: a command failed.
    """
    for name, given in (("--alphas", alphas), ("--seeds", seeds)):
        if not given or len(set(given)) != len(given):
            raise ValueError(f"{name}: values must differ, got {list(given)}")
    for key, flag in (
        ("MODEL.PAM.ALPHA", "--alphas"), ("SEED", "--seeds"), ("OUTPUT_DIR", "--output"),
    ):  # fmt: skip
        if key in options[::2]:
            raise ValueError(f"{key} differs between the trainings; {flag} says what it is to be")
    alphas, seeds = sorted(alphas), sorted(seeds)
    cfg = merge_config(config_file, list(options))
    dataset_name = _training_data(cfg)
    if not cfg.DATASETS.TEST or "tags" not in cfg.TEST.EVALUATORS:
        raise ValueError(
            "the table has the tag mAP: a data set in DATASETS.TEST and 'tags' in TEST.EVALUATORS "
            f"are needed, got {tuple(cfg.DATASETS.TEST)} and {list(cfg.TEST.EVALUATORS)}"
        )

    def run(program: str, *arguments: object, stdout: Path | None = None) -> None:
        command = Command(program, tuple(map(str, arguments)), stdout)
        notify(str(command))
        run_command(command, output / "log.txt")

    _claim(output / "settings.yaml", cfg.dump())
    values = np.zeros((len(alphas), len(seeds), len(COLUMNS)))
    for column, seed in enumerate(seeds):
        folders = [output / f"seed{seed}_alpha{alpha:g}" for alpha in alphas]
        for alpha, folder in zip(alphas, folders, strict=True):
            _make_cues(run, config_file, dataset_name, folder, alpha, seed, options)
        maps = output / f"{folders[-1].name}_maps"
        run(
            "make-maps", "--config-file", folders[-1] / "config.yaml",
            "--dataset", dataset_name, "--output", maps, "--report", folders[-1] / "maps",
            *_weights(folders[-1]),
        )  # fmt: skip
        for row, folder in enumerate(folders):
            quality = folder / "quality.json"
            run(
                "evaluate", folder / "pseudo_labels.json", "--dataset", dataset_name,
                "--baseline", "--maps", maps, "--points", folder / CUES,
                "--score-threshold", cfg.INPUT.POINT_SCORE_THRESH, "--json",
                stdout=quality,
            )  # fmt: skip
            values[row, column] = _numbers(folder)
    return CueAblation(alphas, seeds, values)


def _training_data(cfg: CfgNode) -> str:
    if len(cfg.DATASETS.TRAIN) != 1:
        raise ValueError(
            f"exactly one data set is expected in DATASETS.TRAIN, got {cfg.DATASETS.TRAIN}"
        )
    (name,) = cfg.DATASETS.TRAIN
    register_dataset(name)
    if not has_ground_truth(name):
        raise ValueError(f"'{name}' has no ground truth to hold pseudo labels to")
    return name


def _claim(record: Path, settings: str) -> None:
    """Note the settings of a folder's results; trainings of others must not be taken for these."""
    if record.exists() and record.read_text() != settings:
        raise ValueError(
            f"{record.parent} holds results of other settings ({record.name} there); take another "
            "--output, or remove it"
        )
    with atomic_write(record) as file:
        file.write(settings)


def _make_cues(
    run: Callable[..., None],
    config_file: str,
    dataset: str,
    folder: Path,
    alpha: float,
    seed: int,
    options: Sequence[str],
) -> None:
    run(
        "train", "--config-file", config_file, "--resume", "MODEL.PAM.ALPHA", float(alpha),
        "SEED", seed, *options, "OUTPUT_DIR", folder,
    )  # fmt: skip
    run(
        "extract-points", "--config-file", folder / "config.yaml", "--dataset", dataset,
        "--output", folder / CUES, "--report", folder / "cues", *_weights(folder),
    )  # fmt: skip


def _weights(folder: Path) -> tuple[str, str]:
    return "MODEL.WEIGHTS", str(folder / "model_final.pth")


def _numbers(folder: Path) -> list[float]:
    """The columns of one run."""
    lines = (folder / "metrics.json").read_text().splitlines()
    tags = [row["tags/mAP"] for row in map(json.loads, lines) if "tags/mAP" in row]
    cues = json.loads((folder / "cues" / "cues.json").read_text())
    kinds = {name: sum(cues[name]) for name in ("one", "several", "none")}
    labels = json.loads((folder / "quality.json").read_text())["total"]
    return [
        float("nan") if tags[-1] is None else tags[-1],
        sum(cues["cues"]),
        sum(kinds.values()),
        *kinds.values(),
        sum(cues["background"]),
        sum(cues["other_class"]),
        labels["labels"],
        labels["true_positives"],
    ]
