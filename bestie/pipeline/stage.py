"""What a stage is, and whether it has to run: the bookkeeping's rules, free of what stages do.

Stages, entries of the manifest and fingerprints give decisions with reasons.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bestie.formats import hash_file
from bestie.pipeline.code_version import CODE_KINDS
from bestie.pipeline.fingerprint import record_outputs
from bestie.pipeline.process import Command

__all__ = ["Decision", "Stage", "broken_outputs", "changed_inputs", "decide", "is_finished"]

# Changed inputs that a reason names; more are counted.
SHOWN = 5


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    Attributes:
        name: also its folder under the pipeline's folder.
        data: components of the data that it reads (see ``Source.files``).
        settings: digest of its settings.
        code: modules and scripts that it runs; its result depends on what they import.
        names: strings of its configuration, which may name parts of the code.
        reports: it shows what the others did: the code that draws counts, and --keep-code does not.
        reads: (stage, pattern) pairs: outputs of others that it reads.
        outputs: patterns of the files that it leaves, relative to the pipeline's folder.
        runs_commands: whether it may run commands.
        commands: what it runs, called when it starts; with whether it resumes an interrupted run.
        finish: what is done in this process after the commands; its ValueError and OSError are
            mistakes or failures that end the run.
        replaced: why it is not needed, "" if it is.
        can_go_on: whether an interrupted run of the same inputs left something to resume.
        progress: share that is done, in [0, 1]; None: not known.
    """

    name: str
    data: tuple[str, ...] = ()
    settings: str = ""
    code: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    reports: bool = False
    reads: tuple[tuple[str, str], ...] = ()
    outputs: tuple[str, ...] = ()
    runs_commands: bool = True
    commands: Callable[[bool], list[Command]] = lambda resume: []
    finish: Callable[[], None] = lambda: None
    replaced: str = ""
    can_go_on: Callable[[], bool] = lambda: False
    progress: Callable[[], float | None] = lambda: None


Action = Literal["replaced", "keep", "run", "resume"]


@dataclass(frozen=True)
class Decision:
    """What becomes of a stage, and why.

    Attributes:
        action: "replaced" (not needed), "keep" (unchanged), "run" (from the start) or "resume"
            (continue what an interrupted run left).
        reason: for people.
        kept: changed code in spite of which a finished stage is kept.
    """

    action: Action
    reason: str
    kept: tuple[str, ...] = ()


def decide(
    stage: Stage,
    entry: Mapping[str, Any] | None,
    inputs: Mapping[str, Any],
    folder: Path,
    *,
    forced: bool = False,
    keep_code: bool = False,
    hash_of: Callable[[str], str | None] = hash_file,
) -> Decision:
    """Whether a stage has to run.

    An entry's status says what happened last; whether the stage ever finished is said by its
    outputs (see :func:`is_finished`), so that a stage that is skipped in between loses nothing and
    gains nothing.

    Args:
        stage: the stage.
        entry: of the manifest; None if there is none.
        inputs: fingerprints of what it would read now.
        folder: the pipeline's folder.
        forced: run it again whatever its state.
        keep_code: keep a finished stage although its code or its libraries have changed.
        hash_of: gives the digest of a file.
    """
    if stage.replaced:
        return Decision("replaced", stage.replaced)
    if forced:
        return Decision("run", "forced")
    if entry is None or "inputs" not in entry:
        return Decision("run", "not done yet")
    before, finished = entry["inputs"], is_finished(entry)
    code = changed_inputs(before, {key: inputs[key] for key in CODE_KINDS if key in inputs})
    changed = changed_inputs(before, {k: v for k, v in inputs.items() if k not in CODE_KINDS})
    kept = tuple(code) if finished and keep_code and not stage.reports else ()
    changed += [] if kept else code
    if changed:
        return Decision("run", f"changed: {_shortened(changed)}")
    if finished:
        broken = broken_outputs(entry, folder, hash_of)
        if broken:
            return Decision("run", broken)
        if kept:
            return Decision("keep", f"kept (--keep-code); changed: {_shortened(kept)}", kept)
        return Decision("keep", "nothing changed")
    how = {"failed": "failed", "running": "was stopped"}.get(entry["status"], "was not finished")
    if stage.can_go_on():
        return Decision("resume", f"{how}; resumes where it was")
    return Decision("run", how)


def is_finished(entry: Mapping[str, Any]) -> bool:
    """Whether a stage finished with the inputs of its entry, whatever happened to it since.

    Starting a stage empties the outputs of its entry and finishing it fills them. So a stage that
    failed or was stopped and is then skipped has none, and one that finished keeps them.
    """
    return entry["status"] == "done" or bool(entry.get("outputs"))


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def changed_inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the inputs that differ.

    Such as "data (train images)", "settings", "code (...)", "libraries (torch 2.14 -> 2.15)".
    """
    names = []
    for kind in now:
        old, new = before.get(kind), now[kind]
        if isinstance(new, Mapping):
            old = old if isinstance(old, Mapping) else {}
            keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
            if kind == "libraries":  # versions, which say more than that they differ
                keys = [f"{key} {old.get(key, 'none')} -> {new.get(key, 'none')}" for key in keys]
            names += [f"{kind} ({key})" for key in keys]
        elif old != new:
            names.append(kind)
    return names


def broken_outputs(
    entry: Mapping[str, Any], folder: Path, hash_of: Callable[[str], str | None] = hash_file
) -> str:
    """Which recorded outputs are not there any more as they were written; "" if all are."""
    recorded = entry.get("outputs", {})
    found = record_outputs(folder, recorded, hash_of)
    for pattern, record in recorded.items():
        now = found[pattern]
        if now["files"] != record["files"]:
            return f"{pattern}: {now['files']} of {record['files']} files are there"
        if now != record:
            sizes = f"{now['size']} bytes, {record['size']} were written"
            same = now["size"] == record["size"]
            return f"{pattern} is not as it was written ({'same size' if same else sizes})"
    return ""
