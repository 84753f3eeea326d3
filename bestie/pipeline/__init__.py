"""From data with cheap labels to a trained model and a report, in one call.

:func:`run_pipeline` takes a :class:`Request` and leaves a folder with everything that the stages
made, its manifest and ``report.html``.

The parts: ``recipe`` (the trainings and stages of a way from labels to a model), ``request`` (what
a user asks for), ``preset_choice`` (the preset of a run that names none), ``source``,
``coco_source`` and ``derived`` (the data), ``configs`` (of the trainings), ``stages`` with
``check_stage`` and ``measurements`` (the kinds of stages), ``stage`` (when a stage has to run),
``fingerprint``, ``code_version`` with ``imports``, ``manifest`` and ``shared`` (the bookkeeping),
``process`` and ``runner`` (doing it), ``progress`` (what a person sees); ``tables``, ``reproduce``,
``row_data`` and ``results`` (many runs: the rows of a paper's table).
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from bestie.pipeline.check_stage import check_settings
from bestie.pipeline.coco_source import convert_coco, empty_images_note
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.derived import root_with_tags_of_clicks
from bestie.pipeline.fingerprint import FileHashes
from bestie.pipeline.manifest import Manifest, hold_lock
from bestie.pipeline.preset_choice import choose_preset
from bestie.pipeline.progress import Progress, results_table, stage_table
from bestie.pipeline.recipe import preset_names, recipe_for, stage_names, supervisions
from bestie.pipeline.request import Request
from bestie.pipeline.runner import Runner, StageError
from bestie.pipeline.shared import SharedStages
from bestie.pipeline.source import Source, open_source
from bestie.pipeline.stages import Evaluate, Report, Run, build_stages, stage_code
from bestie.report import ReportPlan, write_report
from bestie.report.run_folder import RunFolder

__all__ = [
    "Request",
    "StageError",
    "choose_preset",
    "open_data",
    "preset_names",
    "rewrite_report",
    "run_pipeline",
    "stage_names",
    "supervisions",
]

# Whose messages go to the log of a run.
LOGGERS = ("bestie", "detectron2", "fvcore", "iopath", "huggingface_hub")


def run_pipeline(
    request: Request,
    *,
    first: str = "",
    last: str = "",
    forced: Sequence[str] = (),
    keep_code: bool = False,
    dry_run: bool = False,
    other_runs: Sequence[Path] = (),
    stream: TextIO | None = None,
) -> None:
    """Run what has to run; what is done already stays.

    Args:
        request: what is asked for.
        first, last: only the stages from ... to; "": from the first, to the last one.
        forced: stages that run again whatever their state.
        keep_code: keep finished stages although their code has changed; the report names them.
        dry_run: show what would be done, and do nothing.
        other_runs: folders of runs whose finished stages are taken where the inputs are the same.
        stream: for what a person sees; None: standard output.

    Raises:
        ValueError: a mistake in the arguments, settings or data.
        StageError: a stage failed.
    """
    names = request.recipe.stage_names
    selected = _selected(names, first or names[0], last or names[-1], forced)
    progress = Progress(names, stream)
    with ExitStack() as stack:
        manifest = Manifest.open(request.output, _header(request))
        locks: tuple[int, ...] = ()
        if not dry_run:
            locks = (stack.enter_context(hold_lock(request.output)),)
            manifest = Manifest.open(request.output, _header(request))  # as the last run left it
            manifest.write()
            stack.enter_context(_quiet_logs(request.output))
        source = open_data(request, stack, dry_run)
        configs = TrainingConfigs(request, source, request.output)
        manifest.content["seed"] = configs.cfg[request.recipe.labeler or configs.names[0]].SEED
        manifest.content["precision"] = configs.describe_precision()
        for note in (*request.notes, *source.notes):
            progress.note(f"note: {note}")
        if alone := [name for name in configs.names if configs.processes(name) < request.num_gpus]:
            progress.note(
                f"note: {', '.join(alone)}: one process, as random weights need whole batches, and "
                "batch norm on a CPU sees the images of its own process only"
            )
        run = Run(request, source, configs, progress.note)
        runner = Runner(
            build_stages(run),
            source,
            manifest,
            FileHashes(),
            lambda stage: stage_code(request.recipe, stage),
            selected=selected,
            forced=forced,
            keep_code=keep_code,
            shared=SharedStages(other_runs),
            several_processes=configs.on_cpu and request.num_gpus > 1,
            progress=progress,
        )
        if dry_run:
            check_settings(configs, run.needed_trainings)
            for name, decision in runner.plan():
                progress.note(f"{name:<11} {decision.action:<9} {decision.reason}")
            return
        runner.run(keep_open=locks)
        progress.note("\n" + stage_table(manifest.stages, names))
        for step in run.steps:
            if isinstance(step, Evaluate) and step.name in selected:
                progress.note("\n" + results_table(request.output, request.recipe.models))
            if isinstance(step, Report) and step.name in selected:
                progress.note(f"\n{request.output / step.outputs[0]}")


def rewrite_report(directory: str | os.PathLike) -> Path:
    """Write ``report.html`` of a run again, from what the run left; returns its path.

    Raises:
        DataError: not the folder of a run.
        ValueError: a run whose supervision belongs to no recipe.
    """
    manifest = RunFolder(directory, ReportPlan()).manifest
    variants = [str(variant).partition(":") for variant in manifest.get("variants", [])]
    recipe = recipe_for(str(manifest.get("supervision"))).for_run(
        str(manifest.get("preset")), {training: name for training, _, name in variants}
    )
    return write_report(directory, recipe.report_plan, recipe.sections)


def _selected(
    names: Sequence[str], first: str, last: str, forced: Sequence[str]
) -> tuple[str, ...]:
    """The stages from ``first`` to ``last``.

    Raises:
        ValueError: an unknown stage, or a forced one that is not among them.
    """
    for name in (first, last, *forced):
        if name not in names:
            raise ValueError(f"no stage is named {name}; the stages are {', '.join(names)}")
    selected = tuple(names[names.index(first) : names.index(last) + 1])
    if not selected:
        raise ValueError(f"--from {first} comes after --to {last}")
    outside = [name for name in forced if name not in selected]
    if outside:
        raise ValueError(f"--force {outside[0]} lies outside --from {first} --to {last}")
    return selected


def _header(request: Request) -> dict[str, Any]:
    return {
        "command": request.command,
        "data": request.data,
        "supervision": request.supervision,
        "preset": request.preset,
        "options": list(request.options),
        "variants": [f"{name}:{variant}" for name, variant in request.variants.items()],
        # The folder may hold more of an earlier run.
        "stage_names": list(request.recipe.stage_names),
    }


def open_data(request: Request, stack: ExitStack, dry_run: bool) -> Source:
    """The data of a run; where it is no root with tags, a root is derived first.

    Derived data lies in the folder of the run, or for a dry run in a passing one.

    Raises:
        ValueError: a mistake in the data.
    """
    root = Path(request.data)
    clicks = request.supervision == "clicks"
    derived = request.output / "data"
    if dry_run:
        derived = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
    if request.is_coco:
        names = {request.split: request.data} | ({"val": request.val} if request.val else {})
        convert_coco(names, derived, clicks=clicks, options=request.read)
        source = open_source(request, derived)
        source.notes.extend(empty_images_note(derived, request.split, request.data))
        return source
    source = open_source(request, root)
    if not clicks or source.has_tags:
        return source
    assert source.points is not None  # the clicks
    root_with_tags_of_clicks(source.root, source.points, derived)
    source = open_source(request, derived)
    source.notes.append("there are no tags: those of an image are the classes of its clicks")
    return source


@contextmanager
def _quiet_logs(output: Path) -> Iterator[None]:
    """What the parts log in this process goes to a file; the stages have logs of their own."""
    folder = output / "logs"
    folder.mkdir(exist_ok=True)
    handler = logging.FileHandler(folder / "pipeline.log", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:  # a process may do several runs
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
