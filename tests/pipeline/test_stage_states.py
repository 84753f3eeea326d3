"""Every state of a manifest's entry, and random sequences of runs that lead through them.

Three stages, a before b before c. Each writes what it was made from (its settings, what it read)
into its output, so that an output can be compared with what the manifest says about it.
"""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bestie.pipeline.fingerprint import FileHashes, record_outputs
from bestie.pipeline.manifest import Manifest
from bestie.pipeline.progress import Progress
from bestie.pipeline.request import Request
from bestie.pipeline.runner import Runner, StageError
from bestie.pipeline.source import open_source
from bestie.pipeline.stage import Stage, broken_outputs, decide, is_finished
from tests.pipeline.tiny_root import write_tiny_root

INPUTS = {
    "data": {},
    "settings": "1",
    "upstream": {},
    "code": {"x.py": "1"},
    "libraries": {"torch": "2.14", "timm": "1.0"},
}
HEADER = {"command": "c", "data": "d", "supervision": "tags", "preset": "quick", "options": []}
NAMES = ("a", "b", "c")
# What is on the disk for a stage: nothing, a part of it, all of it.
FOLDERS = ("none", "partial", "complete")


def entry_after(history: tuple[str, ...], folder: Path) -> dict | None:
    """The entry that a history of statuses leaves, as the runner writes it."""
    entry = None
    for status in history:
        if status == "skipped":
            entry = (entry or {}) | {"status": status, "reason": "maps are supplied"}
        else:
            entry = {"status": status, "inputs": INPUTS, "outputs": {}}
        if status == "done":
            entry["outputs"] = record_outputs(folder, ["work/*.txt"])
    return entry


def put(folder: Path, state: str) -> None:
    shutil.rmtree(folder / "work", ignore_errors=True)
    if state != "none":
        (folder / "work").mkdir()
        (folder / "work/a.txt").write_text("a")
    if state == "complete":
        (folder / "work/b.txt").write_text("b")


HISTORIES = {
    (): "run",
    ("skipped",): "run",
    ("running",): "resume",
    ("failed",): "resume",
    ("running", "skipped"): "resume",
    ("failed", "skipped"): "resume",
    ("done",): "keep",
    ("done", "skipped"): "keep",
    ("done", "skipped", "skipped"): "keep",
    ("done", "running", "skipped"): "resume",
    ("done", "failed", "skipped"): "resume",
}


@pytest.mark.parametrize("on_disk", FOLDERS)
@pytest.mark.parametrize("history", HISTORIES, ids="-".join)
def test_every_state_of_an_entry(history, on_disk, tmp_path):
    put(tmp_path, "complete")
    entry = entry_after(history, tmp_path)
    put(tmp_path, on_disk)
    stage = Stage("work", outputs=("work/*.txt",), can_go_on=(tmp_path / "work").is_dir)
    expected = HISTORIES[history]
    if expected == "keep" and on_disk != "complete":
        expected = "run"
    if expected == "resume" and on_disk == "none":
        expected = "run"
    assert decide(stage, entry, INPUTS, tmp_path).action == expected
    assert decide(stage, entry, INPUTS | {"settings": "2"}, tmp_path).action == "run"
    assert decide(stage, entry, INPUTS, tmp_path, forced=True).action == "run"
    replaced = replace(stage, replaced="maps are supplied")
    for forced in (False, True):
        decision = decide(replaced, entry, INPUTS, tmp_path, forced=forced)
        assert decision.action == "replaced"


@pytest.mark.parametrize("history", HISTORIES, ids="-".join)
def test_changed_code_is_forgiven_to_finished_stages_only(history, tmp_path):
    put(tmp_path, "complete")
    entry = entry_after(history, tmp_path)
    stage = Stage("work", outputs=("work/*.txt",), can_go_on=lambda: True)
    now = INPUTS | {"code": {"x.py": "2"}, "libraries": {"torch": "2.15", "timm": "1.0"}}
    assert decide(stage, entry, now, tmp_path).action == "run"
    decision = decide(stage, entry, now, tmp_path, keep_code=True)
    if HISTORIES[history] == "keep":
        assert decision.action == "keep"
        assert decision.kept == ("code (x.py)", "libraries (torch 2.14 -> 2.15)")
        assert decide(stage, entry, now, tmp_path, keep_code=True, forced=True).action == "run"
        both = now | {"settings": "2"}
        assert decide(stage, entry, both, tmp_path, keep_code=True).action == "run"
        report = replace(stage, reports=True)
        assert decide(report, entry, now, tmp_path, keep_code=True).action == "run"
    else:
        assert decision.action == "run"


class World:
    """A pipeline of three stages whose outputs say what they were made from."""

    def __init__(self, folder: Path):
        self.root = write_tiny_root(folder / "root", train=1, val=0)
        self.output = folder / "run"
        self.output.mkdir()
        self.values = dict.fromkeys(NAMES, "0")
        self.code = "0"
        self.replaced: set[str] = set()
        # Stage -> what happens to it: an error before or after it wrote its output.
        self.trouble: dict[str, tuple[str, type[BaseException]]] = {}
        # Stage -> content of what it last finished.
        self.finished: dict[str, str] = {}
        # Stages whose output the user damaged, until a run has looked at them.
        self.harmed: set[str] = set()

    def file(self, name: str) -> Path:
        return self.output / name / "out.txt"

    def content(self, name: str) -> str:
        before = NAMES[: NAMES.index(name)][-1:]
        read = [self.file(other).read_text() for other in before if other not in self.replaced]
        return f"{name}{self.values[name]}({''.join(read)})"

    def stage(self, name: str) -> Stage:
        before = [other for other in NAMES[: NAMES.index(name)][-1:] if other not in self.replaced]

        def finish() -> None:
            moment, error = self.trouble.get(name, ("", ValueError))
            self.file(name).parent.mkdir(exist_ok=True)
            (self.file(name).parent / "part.txt").write_text(self.content(name))
            if moment == "before":
                raise error("trouble")
            self.file(name).write_text(self.content(name))
            if moment == "after":
                raise error("trouble")

        def can_go_on() -> bool:
            part = self.file(name).parent / "part.txt"
            if part.is_file():  # a stage is only ever asked about the rests of its own inputs
                assert part.read_text() == self.content(name)
            return part.is_file()

        return Stage(
            name,
            settings=self.values[name],
            reads=tuple((other, f"{other}/out.txt") for other in before),
            outputs=(f"{name}/out.txt",),
            finish=finish,
            can_go_on=can_go_on,
            replaced="supplied" if name in self.replaced else "",
        )

    def run(self, first: str = "a", forced: tuple[str, ...] = (), keep_code: bool = False) -> None:
        selected = NAMES[NAMES.index(first) :]
        request = Request(str(self.root), "tags", self.output)
        runner = Runner(
            [self.stage(name) for name in NAMES],
            open_source(request, self.root),
            Manifest.open(self.output, HEADER),
            FileHashes(),
            lambda stage: {"code": {"x.py": self.code}, "libraries": {}},
            selected=selected,
            forced=[name for name in forced if name in selected and name not in self.replaced],
            keep_code=keep_code,
            progress=Progress(NAMES, io.StringIO()),
        )
        try:
            runner.run()
        except (StageError, KeyboardInterrupt, MemoryError):
            pass
        else:
            self.harmed -= set(selected)
            self.check_complete(selected, keep_code)
        self.check_manifest()

    def entries(self) -> dict[str, dict]:
        return Manifest.open(self.output, HEADER).stages

    def check_manifest(self) -> None:
        """What is marked done is there, made from the recorded inputs; nothing else is lost."""
        for name, entry in self.entries().items():
            if entry["status"] == "done" and name not in self.harmed:
                assert not broken_outputs(entry, self.output), name
                own = self.file(name).read_text().partition("(")[0]
                assert own == f"{name}{entry['inputs']['settings']}"
                self.finished[name] = self.file(name).read_text()
        for name, content in self.finished.items():
            places = (self.file(name), self.output / f"{name}.previous/out.txt")
            assert content in [path.read_text() for path in places if path.is_file()], name

    def check_complete(self, selected: tuple[str, ...], keep_code: bool) -> None:
        """After a run that ended well: what is needed is done, from the inputs of now."""
        for name, entry in self.entries().items():
            if name not in selected:
                continue
            assert entry["status"] == ("skipped" if name in self.replaced else "done")
            if name in self.replaced:
                continue
            assert self.file(name).read_text() == self.content(name)
            made_with = entry["inputs"]["code"]["x.py"]
            assert made_with == self.code or (keep_code and entry["kept_code"]["changed"])
            assert ("kept_code" in entry) == (made_with != self.code)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("value"), st.sampled_from(NAMES), st.sampled_from("012")),
        st.tuples(st.just("code"), st.sampled_from("01")),
        st.tuples(st.just("replace"), st.sets(st.sampled_from("ab"))),
        st.tuples(
            st.just("trouble"),
            st.sampled_from(NAMES),
            st.sampled_from(["before", "after", ""]),
            st.sampled_from([ValueError, OSError, KeyboardInterrupt, MemoryError]),
        ),
        st.tuples(st.just("harm"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("run"), st.sampled_from("aaab"), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("keep code"), st.just("a")),
    ),
    min_size=4,
    max_size=16,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_whatever_happens_the_manifest_tells_the_truth_and_nothing_is_lost(steps, tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    for kind, *values in steps:
        if kind == "value":
            world.values[values[0]] = values[1]
        elif kind == "code":
            world.code = values[0]
        elif kind == "replace":
            world.replaced = values[0]
        elif kind == "trouble":
            name, moment, error = values
            world.trouble = {name: (moment, error)} if moment else {}
        elif kind == "harm":
            name, whole = values
            world.finished.pop(name, None)
            world.harmed.add(name)
            shutil.rmtree(world.output / f"{name}.previous", ignore_errors=True)
            if whole:
                shutil.rmtree(world.file(name).parent, ignore_errors=True)
            elif world.file(name).is_file():
                world.file(name).write_text("harm")
        elif kind == "run":
            world.run(first=values[0], forced=tuple(values[1]))
        else:
            world.run(keep_code=True)
    world.trouble = {}
    world.run()
    assert all(is_finished(world.entries()[n]) for n in NAMES if n not in world.replaced)


def test_a_stage_that_failed_and_was_then_replaced_runs_when_it_is_needed_again(tmp_path):
    world = World(tmp_path)
    world.trouble = {"b": ("before", ValueError)}
    world.run()
    shutil.rmtree(world.output / "b")
    world.trouble, world.replaced = {}, {"b"}
    world.run()
    assert world.entries()["b"]["status"] == "skipped"
    world.replaced = set()
    world.run()
    assert world.entries()["b"]["status"] == "done" and world.file("b").is_file()


def test_from_accepts_what_was_finished_and_skipped_in_between(tmp_path):
    world = World(tmp_path)
    world.run()
    world.replaced = {"a"}
    world.run()
    world.replaced = set()
    world.run(first="b")
    assert [world.entries()[name]["status"] for name in NAMES] == ["skipped", "done", "done"]
