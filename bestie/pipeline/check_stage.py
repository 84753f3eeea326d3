"""The check stage: all mistakes in data, settings and weights, before any work is done.

It leaves ``check/dataset.json``, or one error lists everything.
"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from detectron2.config import CfgNode
from torch import nn

from bestie.backbones.downloads import FetchError, fetch_file
from bestie.data.checks.dataset import inspect_dataset, raise_on_errors
from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.mixed import check_mixed, needs_of
from bestie.data.shapes.generator import is_built_in
from bestie.formats import atomic_write, read_class_names, to_json
from bestie.method import METHODS
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.preset_choice import fitting_preset
from bestie.pipeline.source import Source
from bestie.progress import duration
from bestie.training.class_counts import set_class_counts
from bestie.training.setup import build_model, read_config
from bestie.training.step_time import training_seconds

__all__ = [
    "check_configs",
    "check_data",
    "check_settings",
    "filled_config",
    "preset_note",
    "time_note",
]

logger = logging.getLogger(__name__)


def check_data(source: Source, supervision: str, score_thresh: float, output: Path) -> list[str]:
    """Check all splits for what the run needs of them, and write what was found.

    Args:
        source: the data.
        supervision: "tags", "clicks" or "masks+clicks".
        score_thresh: confidence above which points train.
        output: file to write.

    Returns:
        The warnings.

    Raises:
        DataError: listing every error.
    """
    reports = {part: _inspect(source, part, supervision, score_thresh) for part in source.splits}
    if source.supervision is not None:
        of_split = {source.splits[part]: report for part, report in reports.items()}
        found = check_mixed(os.fspath(source.root), source.supervision, of_split)
        reports["strong"].problems += found
    content = {part: report.as_dict() for part, report in reports.items()}
    with atomic_write(output) as file:
        file.write(to_json(content, indent=1))
    problems = [problem for report in reports.values() for problem in report.problems]
    raise_on_errors(dict.fromkeys(problems))
    return [str(problem) for problem in problems if problem.severity == "warning"]


def check_configs(configs: TrainingConfigs, names: list[str]) -> dict[str, float]:
    """Check the settings of trainings, load the weights that they start from, and time a step.

    Args:
        configs: of all trainings.
        names: those that will run.

    Returns:
        Training -> seconds that its steps take on this CPU; those that run on a GPU and those
        whose step could not be measured are left out.

    Raises:
        ValueError: listing every problem of every training.
    """
    seconds: dict[str, float] = {}

    def check(name: str) -> None:
        model, cfg = _check_config(configs, name)
        if cfg.MODEL.DEVICE == "cpu":  # a GPU belongs to the trainings, which are other processes
            seconds.update(_measured(model, cfg, name, configs.usual_side))

    _check_each(names, check)
    return seconds


def check_settings(configs: TrainingConfigs, names: list[str]) -> None:
    """Check settings, and whether files to start from exist, which takes no time.

    As :func:`check_configs`, but nothing is built, read or fetched.
    """

    def check(name: str) -> None:
        filled_config(configs, name)
        _check_files(configs, name)

    _check_each(names, check)


def _check_each(names: list[str], check: Callable[[str], object]) -> None:
    problems = []
    for name in names:
        try:
            check(name)
        except FetchError as error:
            problems.append(f"{name}: {error.reason}: {name}:{error.key} FILE")
        except (ValueError, OSError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))


def time_note(seconds: Mapping[str, float]) -> str:
    """The times of :func:`check_configs` in one line."""
    each = ", ".join(f"{name} {duration(found)}" for name, found in seconds.items())
    total = duration(sum(seconds.values()))
    return f"the trainings take about {total} on this computer, by one measured step each: {each}"


def preset_note(source: Source, configs: TrainingConfigs) -> str:
    """Whether the preset of a run fits its images and computer, in one line."""
    preset = configs.request.preset
    images = sum(len(source.ids[part]) for part in configs.request.training_splits)
    on_gpu = torch.cuda.is_available() and not configs.on_cpu
    fitting = fitting_preset(is_drawn=is_built_in(source.root), images=images, has_gpu=on_gpu)
    device = "a GPU" if on_gpu else f"the CPU ({os.cpu_count()} cores)"
    facts = f"{images} training images, {configs.describe_sizes()}, {device}"
    if preset == fitting:
        return f"preset {preset} fits: {facts}"
    return f"preset {preset}; --preset {fitting} would fit better: {facts}"


def _inspect(source: Source, part: str, supervision: str, score_thresh: float) -> DatasetReport:
    needs = {"images"}
    if source.supervision is not None:
        return _inspect_mixed(source, part, score_thresh)
    if part == "train" or source.is_tagged(part):  # without them the classifier is not scored
        needs.add("tags")
    if source.truth[part]:
        needs.add("ground_truth")
    points = maps = None
    if part == "train" and source.points is not None:
        needs.add("clicks" if supervision == "clicks" else "peak_points")
        points = os.fspath(source.points)
    if part == "train" and source.maps is not None:
        needs.add("maps")
        maps = os.fspath(source.maps)
    return inspect_dataset(
        source.root,
        source.splits[part],
        needs=needs,
        points_dir=points,
        maps_dir=maps,
        score_thresh=score_thresh,
    )


def _inspect_mixed(source: Source, part: str, score_thresh: float) -> DatasetReport:
    """Check a split of a root where the kind of labels belongs to the split."""
    assert source.supervision is not None
    kind = source.supervision.kinds.get(source.splits[part])
    needs = needs_of(kind) if kind else {"images"}
    if source.truth[part]:
        needs.add("ground_truth")
    return inspect_dataset(source.root, source.splits[part], needs=needs, score_thresh=score_thresh)


def filled_config(configs: TrainingConfigs, name: str) -> CfgNode:
    """The config of a training, checked, with what it takes from the data that is there."""
    # Labels that an earlier stage makes do not exist yet.
    on_labels = any(t.name == name and t.labels for t in configs.recipe.trainings)
    arguments = configs.arguments(name)
    return read_config(str(configs.config_file(name)), arguments, training=not on_labels)


def _check_files(configs: TrainingConfigs, name: str) -> None:
    """Refuse a missing file that a training starts from; "NAME:..." is no file on this machine."""
    cfg = configs.cfg[name]
    advice = {"MODEL.WEIGHTS": ""}
    if "timm" in cfg.MODEL.BACKBONE.NAME:
        advice["MODEL.TIMM.WEIGHTS"] = ""
    for method in METHODS.values():
        if method.backbone_weights(cfg) is not None:  # it builds the backbone
            advice |= method.weights
    for key, given in configs.given_weights(name).items():
        path = given.partition("?")[0]  # as Detectron2 reads it
        is_file = not (configs.is_own(path) or ":" in path or path == "timm")
        if key in advice and is_file and not os.path.isfile(path):
            raise ValueError(f"{key}: {path} is not a file. {advice[key]}".rstrip())


def _check_config(configs: TrainingConfigs, name: str) -> tuple[nn.Module, CfgNode]:
    cfg = filled_config(configs, name).clone()
    cfg.defrost()
    if configs.is_own(cfg.MODEL.TIMM.WEIGHTS):  # made by the run itself
        cfg.MODEL.TIMM.WEIGHTS = ""
    # A training on labels of an earlier stage may name no data set that exists already.
    root = configs.source.root
    set_class_counts(cfg, len(read_class_names(root)), os.fspath(root))
    device, cfg.MODEL.DEVICE = cfg.MODEL.DEVICE, "cpu"
    model = build_model(cfg)  # loads the backbone's weights; its messages say what is missing
    if cfg.MODEL.WEIGHTS:
        _check_weights(cfg.MODEL.WEIGHTS)
    cfg.MODEL.DEVICE = device
    return model, cfg


def _measured(model: nn.Module, cfg: CfgNode, name: str, side: int) -> dict[str, float]:
    try:
        return {name: training_seconds(model, cfg, side)}
    except Exception:  # an estimate stops no run: a mapper or model of a user's own may differ
        logger.info("No step of %s could be measured.", name, exc_info=True)
        return {}


def _check_weights(path: str) -> None:
    """Fetch a file that a training starts from, if it is no local one."""
    if not os.path.isfile(fetch_file(path, "MODEL.WEIGHTS")):
        raise ValueError(f"MODEL.WEIGHTS: there is no file {path}")
