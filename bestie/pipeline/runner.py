"""Goes through the stages: decides, runs, records.

Takes the stages of a run and the manifest of its folder. Nothing that an earlier run finished is
touched before its stage starts again, and then it is kept aside as ``<stage>.previous`` until the
new one is done.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bestie.formats import DataError
from bestie.pipeline.code_version import CODE_KINDS, library_versions
from bestie.pipeline.fingerprint import FileHashes, digest_of, record_outputs
from bestie.pipeline.manifest import Manifest
from bestie.pipeline.process import (
    Command,
    CommandError,
    WaitingProcess,
    own_peak_memory,
    run_command,
)
from bestie.pipeline.progress import Progress
from bestie.pipeline.shared import SharedStages
from bestie.pipeline.source import Source
from bestie.pipeline.stage import Decision, Stage, broken_outputs, decide, is_finished

__all__ = ["Runner", "StageError"]

UPSTREAM = "upstream"
# What an entry says of a finished stage that was kept although its code has changed.
KEPT = "kept_code"


class StageError(Exception):
    """A stage failed; the message says which, why, and where its log is."""


class Runner:
    """One run over the stages."""

    def __init__(
        self,
        stages: Sequence[Stage],
        source: Source,
        manifest: Manifest,
        hashes: FileHashes,
        code: Callable[[Stage], Mapping[str, Any]],
        *,
        selected: Sequence[str],
        forced: Sequence[str] = (),
        keep_code: bool = False,
        shared: SharedStages | None = None,
        several_processes: bool = False,
        progress: Progress | None = None,
    ):
        """
        Args:
            stages: all of them, in order.
            source: the data.
            manifest: of the pipeline's folder.
            hashes: of data files.
            code: gives the digests of the code that a stage runs.
            selected: names of the stages that may run.
            forced: names of those that run again whatever their state.
            keep_code: finished stages are kept although their code has changed.
            shared: finished stages of other runs, which are taken where the inputs are the same.
            several_processes: commands may start several processes on the CPU.
            progress: shows a person what happens.

        Raises:
            ValueError: a forced stage that is replaced.
        """
        for stage in stages:
            if stage.name in forced and stage.replaced:
                raise ValueError(f"--force {stage.name}: it is not needed: {stage.replaced}")
        self.stages, self.source, self.manifest = list(stages), source, manifest
        self.folder, self.hashes, self.code = manifest.folder, hashes, code
        self.selected, self.forced, self.keep_code = set(selected), set(forced), keep_code
        self.shared = shared or SharedStages(())
        self.several_processes = several_processes
        self.progress = progress or Progress([stage.name for stage in stages])
        self._tables: dict[str, dict[str, str | None]] = {}
        # Component of the data -> its digest, since the last stage that took its time.
        self._digests: dict[str, str] = {}
        # For the next command; it starts while the one before it runs.
        self._waiting: WaitingProcess | None = None

    def plan(self) -> list[tuple[str, Decision]]:
        """What would become of each stage; nothing is done."""
        plan, running = [], set()
        for stage in self.stages:
            if stage.name not in self.selected:
                decision = Decision("keep", "not asked for (--from, --to)")
            else:
                decision = self._decide(stage, self.inputs(stage))
                before = [name for name, _ in stage.reads if name in running]
                if decision.action == "keep" and before:
                    text = f"if {before[0]} gives other files than before"
                    decision = Decision("run", text)
            if decision.action in ("run", "resume"):
                running.add(stage.name)
            plan.append((stage.name, decision))
        return plan

    def run(self, keep_open: tuple[int, ...] = ()) -> None:
        """Run what has to run.

        Args:
            keep_open: file descriptors that commands inherit.

        Raises:
            StageError: a stage failed, or one that is not to run is not done.
        """
        try:
            for stage in self.stages:
                if stage.name in self.selected:
                    self._visit(stage, keep_open)
                else:
                    self._require(stage)
        finally:
            if self._waiting is not None:
                self._waiting.close()
                self._waiting = None
            with contextlib.suppress(OSError):  # it saves time, no more
                self.hashes.save()

    def inputs(self, stage: Stage) -> dict[str, Any]:
        """Fingerprints of what a stage reads."""
        upstream = {}
        for name, pattern in stage.reads:
            record = self.manifest.stages.get(name, {}).get("outputs", {}).get(pattern)
            upstream[pattern] = record and record["sha256"]
        inputs = {
            "data": {component: self._digest(component) for component in stage.data},
            "settings": stage.settings,
            UPSTREAM: upstream,
            **self.code(stage),
        }
        if stage.reports:
            kept = {name: entry.get(KEPT) for name, entry in self.manifest.stages.items()}
            inputs["kept with changed code"] = {k: v["now"] for k, v in kept.items() if v}
        return inputs

    def _decide(self, stage: Stage, inputs: Mapping[str, Any]) -> Decision:
        return decide(
            stage,
            self.manifest.stages.get(stage.name),
            inputs,
            self.folder,
            forced=stage.name in self.forced,
            keep_code=self.keep_code,
            hash_of=self.hashes.of,
        )

    def _digest(self, component: str) -> str:
        """Digest of a component of the data, which must not change during a run.

        Raises:
            DataError: it has changed since this run first looked.
        """
        if component in self._digests:
            return self._digests[component]
        table = self.hashes.table(self.source.files(component))
        before = self._tables.setdefault(component, table)
        if table != before:
            name = next(k for k in before | table if before.get(k) != table.get(k))
            what = "was deleted" if table.get(name) is None else "was changed"
            path = self.source.files(component).get(name) or f"{self.source.root}: {name}"
            raise DataError(
                f"{what} while the pipeline was running ({component}); correct it and run again",
                path,
            )
        self._digests[component] = digest_of(table)
        return self._digests[component]

    def _visit(self, stage: Stage, keep_open: tuple[int, ...]) -> None:
        entry = self.manifest.stages.get(stage.name)
        log = self.folder / f"logs/{stage.name}.log"
        try:
            inputs = self.inputs(stage)
            decision = self._decide(stage, inputs)
        except (ValueError, OSError) as error:
            raise StageError(f"stage {stage.name} cannot start: {error}") from error
        if decision.action == "keep":
            assert entry is not None  # there is something to keep
            self.progress.passed(stage.name, decision, entry.get("seconds"))
            shutil.rmtree(self._previous(stage), ignore_errors=True)  # of a run that was killed
            self._keep(stage, entry, decision, inputs)
        elif decision.action == "replaced":  # what it made once stays where it is
            self.progress.passed(stage.name, decision)
            self.manifest.update(stage.name, status="skipped", reason=decision.reason)
        elif not self._take(stage, inputs):
            self._run(stage, decision, inputs, log, keep_open)
            self._digests = {}

    def _take(self, stage: Stage, inputs: Mapping[str, Any]) -> bool:
        """Take a stage that another run has finished from the same inputs; whether there was one.

        Not the stages that show what this run did, nor one that is to run again in any case.
        """
        found = None
        if stage.name not in self.forced and not stage.reports:
            found = self.shared.find(stage.name, inputs, stage.outputs, self.hashes.of)
        if found is None:
            return False
        entry = self.manifest.stages.get(stage.name, {})
        try:
            self._set_aside(stage, entry)
            self.manifest.replace(stage.name, **self.shared.take(found, self.folder))
        except OSError as error:
            raise StageError(
                f"stage {stage.name} of {found.folder} cannot be taken: {error}"
            ) from error
        shutil.rmtree(self._previous(stage), ignore_errors=True)
        decision = Decision("replaced", f"taken from {found.folder}, which has the same inputs")
        self.progress.passed(stage.name, decision)
        return True

    def _keep(
        self,
        stage: Stage,
        entry: Mapping[str, Any],
        decision: Decision,
        inputs: Mapping[str, Any],
    ) -> None:
        """A finished stage counts as done again, and says which code it was kept in spite of."""
        fields = {key: value for key, value in entry.items() if key != KEPT}
        fields |= {"status": "done", "reason": ""}
        if decision.kept:
            self.progress.note(f"note: stage {stage.name} {decision.reason}")
            then, now = (
                digest_of({kind: of.get(kind) for kind in CODE_KINDS})
                for of in (entry["inputs"], inputs)
            )
            fields[KEPT] = {"changed": list(decision.kept), "made_with": then, "now": now}
        if fields != entry:
            self.manifest.replace(stage.name, **fields)

    def _require(self, stage: Stage) -> None:
        """A stage before --from must have finished; one after --to need not."""
        later = [s.name for s in self.stages[self.stages.index(stage) :] if s.name in self.selected]
        if not later or stage.replaced:
            return
        entry = self.manifest.stages.get(stage.name)
        if entry is None or not is_finished(entry):
            raise StageError(
                f"stage {stage.name} is not done; --from {later[0]} cannot start there"
            )
        broken = broken_outputs(entry, self.folder, self.hashes.of)
        if broken:
            raise StageError(
                f"what stage {stage.name} left is damaged: {broken}; --from {stage.name} makes it "
                "again"
            )

    def _run(
        self,
        stage: Stage,
        decision: Decision,
        inputs: Mapping[str, Any],
        log: Path,
        keep_open: tuple[int, ...],
    ) -> None:
        entry = self.manifest.stages.get(stage.name, {})
        expected = entry.get("seconds" if entry.get("outputs") else "expected_seconds")
        spent = entry.get("seconds", 0.0) if decision.action == "resume" else 0.0
        resume = decision.action == "resume"
        self.progress.begin(stage.name, decision, expected)
        started = time.monotonic()
        fields: dict[str, Any] = {
            "status": "running",
            "reason": decision.reason,
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "expected_seconds": expected,
            "inputs": inputs,
            "versions": library_versions(),
            "outputs": {},
        }
        memory = 0.0
        try:
            if not resume:
                self._set_aside(stage, entry)
            self.manifest.replace(stage.name, **fields)
            commands = stage.commands(resume)
            self.manifest.update(stage.name, command="\n".join(map(str, commands)))
            memory = self._run_commands(stage, commands, log, keep_open)
            stage.finish()
            if not commands:
                memory = own_peak_memory()
            outputs = self._outputs(stage)
        except (CommandError, ValueError, OSError, KeyboardInterrupt) as error:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            seconds = spent + time.monotonic() - started
            self._fail(stage, reason, seconds)
            if isinstance(error, KeyboardInterrupt):
                raise
            raise StageError(self._explain(stage, reason, log)) from error
        except Exception as error:  # a bug: noted here, and shown with its traceback
            seconds = spent + time.monotonic() - started
            self._fail(stage, f"{type(error).__name__}: {error}", seconds)
            raise
        seconds = spent + time.monotonic() - started
        self.manifest.update(
            stage.name,
            status="done",
            reason="",
            seconds=round(seconds, 2),
            peak_memory_mib=round(memory, 1),
            outputs=outputs,
        )
        shutil.rmtree(self._previous(stage), ignore_errors=True)
        self.progress.end(stage.name, seconds, memory)

    def _run_commands(
        self, stage: Stage, commands: Sequence[Command], log: Path, keep_open: tuple[int, ...]
    ) -> float:
        """Run them one after the other; peak memory of the largest, MiB."""
        memory = 0.0
        for number, command in enumerate(commands):
            # Where a stage does not know its share, its finished commands give one.
            by_commands = number / len(commands) if number else None
            is_last = number == len(commands) - 1 and not self._has_commands_after(stage)

            watch = self._watch(stage, by_commands, None if is_last else keep_open)
            waiting, self._waiting = self._waiting, None
            peak = run_command(command, log, waiting=waiting, keep_open=keep_open, watch=watch)
            memory = max(memory, peak)
        return memory

    def _watch(
        self, stage: Stage, by_commands: float | None, keep_open: tuple[int, ...] | None
    ) -> Callable[[], None]:
        """What to do while a command runs: show progress, and prepare the next process.

        Args:
            stage: of the command.
            by_commands: share of the stage that is done, where it does not know its own.
            keep_open: file descriptors of the next process; None: there is no next command.
        """

        def share_done() -> float | None:
            share = stage.progress()
            return by_commands if share is None else share

        def watch() -> None:
            if self._waiting is None and keep_open is not None:
                self._waiting = WaitingProcess(keep_open, several=self.several_processes)
            self.progress.tick(stage.name, share_done)

        return watch

    def _has_commands_after(self, stage: Stage) -> bool:
        """Whether a later stage of this run may run a command."""
        later = self.stages[self.stages.index(stage) + 1 :]
        return any(s.name in self.selected and s.runs_commands and not s.replaced for s in later)

    def _outputs(self, stage: Stage) -> dict[str, Any]:
        outputs = record_outputs(self.folder, stage.outputs, self.hashes.of)
        missing = [pattern for pattern, record in outputs.items() if not record["files"]]
        if missing:
            raise DataError(f"the stage ended without {', '.join(missing)}", self.folder)
        return outputs

    def _fail(self, stage: Stage, reason: str, seconds: float) -> None:
        self.progress.fail(stage.name)
        # On a full disk the entry still says "running", which serves as well.
        with contextlib.suppress(OSError):
            self.manifest.update(
                stage.name, status="failed", reason=reason, seconds=round(seconds, 2)
            )

    def _explain(self, stage: Stage, reason: str, log: Path) -> str:
        lines = [f"stage {stage.name} failed: {reason}"]
        if log.is_file():
            lines.append(f"Its log: {log}")
        lines.append(
            "What was done before it is kept: the same command resumes from here. To start this "
            f"stage again, delete {self.folder / stage.name} first."
        )
        return "\n".join(lines)

    def _previous(self, stage: Stage) -> Path:
        return self.folder / f"{stage.name}.previous"

    def _set_aside(self, stage: Stage, entry: Mapping[str, Any]) -> None:
        """Make room for a stage that starts again; what was there is kept until it is done.

        A complete result is kept rather than what a later run began.
        """
        folder, previous = self.folder / stage.name, self._previous(stage)
        if not folder.is_dir():
            return
        if entry.get("outputs"):
            shutil.rmtree(previous, ignore_errors=True)
        if previous.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(previous)
