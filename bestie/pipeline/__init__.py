"""From data with cheap labels to a trained Mask R-CNN and a report, in one call.

Comes in: a :class:`Request`. Goes out: a folder with everything that the stages left, its manifest
and ``report.html``. Called by ``tools/run_pipeline.py``.

The parts: ``settings`` (what a user asks for), ``source``, ``coco_source`` and ``derived`` (the
data), ``configs`` (of the three trainings), ``stages`` with ``checks`` and ``measure`` (what is
done), ``stage`` (when a stage has to run), ``fingerprint``, ``code_version`` with ``imports``, and
``manifest`` (the bookkeeping),
``process`` and ``runner`` (doing it), ``progress`` (telling a person).
"""

import logging
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from bestie.pipeline.coco_source import convert_coco
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.derived import root_with_tags_of_clicks
from bestie.pipeline.fingerprint import FileHashes
from bestie.pipeline.manifest import Manifest, hold_lock
from bestie.pipeline.progress import Progress, results_table, stage_table
from bestie.pipeline.request import PRESETS, STAGES, SUPERVISIONS, Request
from bestie.pipeline.runner import Runner, StageError
from bestie.pipeline.source import Source, open_source
from bestie.pipeline.stages import build_stages, stage_code

__all__ = [
    "PRESETS",
    "STAGES",
    "SUPERVISIONS",
    "Request",
    "StageError",
    "run_pipeline",
]

HASHES = ".hashes.json"


def run_pipeline(
    request: Request,
    *,
    first: str = STAGES[0],
    last: str = STAGES[-1],
    forced: Sequence[str] = (),
    keep_code: bool = False,
    dry_run: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Run what has to run; what is done already stays.

    Args:
        request: what is asked for.
        first, last: only the stages from ... to.
        forced: stages that run again whatever their state.
        keep_code: keep finished stages although their code has changed; the report names them.
        dry_run: tell what would be done, and do nothing.
        stream: for what a person sees; None: standard output.

    Raises:
        ValueError: a mistake in the arguments, settings or data.
        StageError: a stage failed.
    """
    selected = STAGES[STAGES.index(first) : STAGES.index(last) + 1]
    if not selected:
        raise ValueError(f"--from {first} comes after --to {last}")
    outside = [name for name in forced if name not in selected]
    if outside:
        raise ValueError(f"--force {outside[0]} lies outside --from {first} --to {last}")
    progress = Progress(STAGES, stream)
    with ExitStack() as stack:
        manifest = Manifest.open(request.output, _header(request))
        lock = None
        if not dry_run:
            lock = stack.enter_context(hold_lock(request.output))
            manifest = Manifest.open(request.output, _header(request))  # as the last run left it
            manifest.write()
            _quiet_logs(request.output)
        source = _open(request, stack, dry_run)
        configs = TrainingConfigs(request, source, request.output)
        manifest.content["seed"] = configs.cfg["bestie"].SEED
        manifest.content["precision"] = configs.describe_precision()
        for note in source.notes:
            progress.note(f"note: {note}")
        stages = build_stages(request, source, configs, progress.note)
        hashes = FileHashes(request.output / HASHES)
        runner = Runner(
            stages,
            source,
            manifest,
            hashes,
            stage_code,
            selected=selected,
            forced=forced,
            keep_code=keep_code,
            progress=progress,
        )
        if dry_run:
            for name, decision in runner.plan():
                progress.note(f"{name:<11} {decision.action:<9} {decision.reason}")
            return
        runner.run(keep_open=(lock,))
        progress.note("\n" + stage_table(manifest.stages, STAGES))
        if "evaluation" in selected:
            progress.note("\n" + results_table(request.output))
        if "report" in selected:
            progress.note(f"\n{request.output / 'report.html'}")


def _header(request: Request) -> dict[str, Any]:
    return {
        "command": request.command,
        "data": request.data,
        "supervision": request.supervision,
        "preset": request.preset,
        "options": list(request.options),
    }


def _open(request: Request, stack: ExitStack, dry_run: bool) -> Source:
    """The data of a run; where it is no root with tags, a root is derived first.

    Derived data lies in the folder of the run, or for a dry run in a passing one.
    """
    root = Path(request.data)
    clicks = request.supervision == "clicks"
    derived = request.output / "data"
    if dry_run:
        derived = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
    if request.is_coco:
        names = {request.split: request.data} | ({"val": request.val} if request.val else {})
        convert_coco(names, derived, clicks=clicks)
        return open_source(request, derived)
    source = open_source(request, root)
    if not clicks or source.has_tags:
        return source
    root_with_tags_of_clicks(source.root, source.points, derived)
    source = open_source(request, derived)
    source.notes.append("there are no tags: those of an image are the classes of its clicks")
    return source


def _quiet_logs(output: Path) -> None:
    """What the parts log in this process goes to a file; the stages have logs of their own."""
    folder = output / "logs"
    folder.mkdir(exist_ok=True)
    handler = logging.FileHandler(folder / "pipeline.log", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    for name in ("bestie", "detectron2", "fvcore", "iopath", "huggingface_hub"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
