"""The runner on three fake stages: a adds its settings to a file, b reads a, c reads b."""

import io
from dataclasses import replace

import pytest

from bestie.formats import DataError
from bestie.pipeline import process
from bestie.pipeline.fingerprint import FileHashes
from bestie.pipeline.manifest import Manifest
from bestie.pipeline.process import Command
from bestie.pipeline.progress import Progress
from bestie.pipeline.request import Request
from bestie.pipeline.runner import Runner, StageError
from bestie.pipeline.source import open_source
from bestie.pipeline.stage import Stage
from tests.pipeline.tiny_root import write_tiny_root

HEADER = {"command": "c", "data": "d", "supervision": "tags", "preset": "quick", "options": []}
NAMES = ("a", "b", "c")


class World:
    """A root, an output folder, and stages that note when they work."""

    def __init__(self, tmp_path):
        self.root = write_tiny_root(tmp_path / "root", train=2, val=1)
        self.output = tmp_path / "run"
        self.worked: list[str] = []
        self.stages = [
            self.stage("a", data=("tags", "train images")),
            self.stage("b", reads=(("a", "a/out.txt"),)),
            self.stage("c", reads=(("b", "b/out.txt"),)),
        ]

    def stage(self, name: str, content: str | None = None, **fields) -> Stage:
        def finish():
            self.worked.append(name)
            (self.output / name).mkdir(exist_ok=True, parents=True)
            (self.output / name / "out.txt").write_text(content or name)

        return Stage(name, outputs=(f"{name}/out.txt",), finish=finish, **fields)

    def change(self, name: str, **fields) -> None:
        index = NAMES.index(name)
        self.stages[index] = replace(self.stages[index], **fields)

    def runner(self, selected=NAMES, forced=(), code="1", keep_code=False):
        request = Request(str(self.root), "tags", self.output)
        self.output.mkdir(exist_ok=True)
        self.text = io.StringIO()
        return Runner(
            self.stages,
            open_source(request, self.root),
            Manifest.open(self.output, HEADER),
            FileHashes(),
            lambda stage: {"code": {"x.py": code}},
            selected=selected,
            forced=forced,
            keep_code=keep_code,
            progress=Progress(NAMES, self.text),
        )

    def run(self, **fields) -> list[str]:
        """Names of the stages that worked."""
        self.worked.clear()
        self.runner(**fields).run()
        return list(self.worked)

    def entries(self) -> dict[str, dict]:
        return Manifest.open(self.output, HEADER).stages


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def fail(error):
    def finish():
        raise error

    return finish


def test_a_second_run_does_nothing(world):
    assert world.run() == ["a", "b", "c"]
    before = world.entries()
    assert [entry["status"] for entry in before.values()] == ["done"] * 3
    assert world.run() == []
    assert world.entries() == before and world.text.getvalue().count("unchanged") == 3


def test_a_change_reaches_as_far_as_it_changes_files(world):
    world.run()
    world.change("a", settings="new")
    assert world.run() == ["a"]  # it gave the same file again
    world.stages[0] = world.stage("a", content="other", data=world.stages[0].data, settings="3")
    assert world.run() == ["a", "b"]
    (world.root / "image_labels.txt").write_text("train_00 0\ntrain_01 0\nval_00\n")
    assert world.run() == ["a"]
    assert world.run(code="2") == ["a", "b", "c"]


def test_force_from_and_to(world):
    assert world.run(selected=("a",)) == ["a"]
    assert world.run(selected=("a", "b")) == ["b"]
    assert world.run(forced=("a",)) == ["a", "c"]
    world.change("a", settings="new")
    assert world.run(selected=("b", "c")) == []  # a is taken as it is


def test_from_needs_what_comes_before(world):
    with pytest.raises(StageError, match="stage a is not done; --from b cannot start there"):
        world.run(selected=("b", "c"))
    world.run()
    (world.output / "a/out.txt").write_text("harm")
    with pytest.raises(StageError, match="what stage a left is damaged: a/out.txt"):
        world.run(selected=("b", "c"))
    assert (world.output / "a/out.txt").read_text() == "harm"


@pytest.mark.parametrize("error", [DataError("is broken", "x.json"), OSError(28, "No space left")])
def test_a_failure_is_told_recorded_and_gone_on_from(world, error):
    healthy = world.stages[1]
    world.change("b", finish=fail(error))
    with pytest.raises(StageError, match=r"b failed: .*(broken|No space)(.|\n)*delete .*/b first"):
        world.run()
    assert [entry["status"] for entry in world.entries().values()] == ["done", "failed"]
    assert "broken" in world.entries()["b"]["reason"] or "space" in world.entries()["b"]["reason"]
    world.stages[1] = healthy
    assert world.run() == ["b", "c"]


def test_what_was_whole_is_kept_until_its_stage_is_done_again(world):
    world.run()
    healthy = world.stages[0]
    world.change("a", settings="new", finish=fail(ValueError("no")))
    for _ in range(2):
        with pytest.raises(StageError):
            world.run()
        assert (world.output / "a.previous/out.txt").read_text() == "a"
    assert (world.output / "b/out.txt").read_text() == "b"
    world.stages[0] = replace(healthy, settings="new")
    assert world.run() == ["a"] and not (world.output / "a.previous").exists()


def test_a_stage_without_its_outputs_has_failed(world):
    world.change("b", finish=lambda: None)
    with pytest.raises(StageError, match="the stage ended without b/out.txt"):
        world.run()


def test_an_interrupted_stage_goes_on_where_it_can(world):
    healthy = world.stages[1]
    modes = []
    world.change("b", finish=fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.entries()["b"]["reason"] == "interrupted"
    world.stages[1] = replace(
        healthy, can_go_on=lambda: True, commands=lambda resume: modes.append(resume) or []
    )
    (world.output / "b").mkdir()
    (world.output / "b/part.txt").write_text("half")
    assert world.run() == ["b", "c"] and modes == [True]
    assert (world.output / "b/part.txt").exists()
    world.change("b", settings="new")
    world.run()
    assert modes == [True, False] and not (world.output / "b/part.txt").exists()


def test_a_replaced_stage_is_skipped_and_what_it_made_is_taken_again_later(world):
    world.run()
    world.change("a", replaced="cues are supplied")
    assert world.run() == []
    assert world.entries()["a"]["status"] == "skipped"
    assert world.entries()["a"]["reason"] == "cues are supplied"
    world.change("a", replaced="")
    assert world.run() == [] and world.entries()["a"]["status"] == "done"


def test_the_plan_says_what_would_be_done_and_does_nothing(world):
    assert [d.action for _, d in world.runner().plan()] == ["run"] * 3
    assert not (world.output / "manifest.json").exists()
    world.run()
    world.change("a", settings="new")
    plan = world.runner().plan()
    assert [decision.reason for _, decision in plan] == [
        "changed: settings",
        "if a gives other files than before",
        "if b gives other files than before",
    ]
    assert world.runner(selected=("a",)).plan()[1][1].reason == "not asked for (--from, --to)"


def test_data_that_changes_while_the_run_goes_on_ends_it(world):
    image = world.root / "JPEGImages/train_01.png"
    world.change("b", data=("train images",))
    harmless = world.stages[0].finish
    world.change("a", finish=lambda: (harmless(), image.unlink()))
    with pytest.raises(StageError, match="stage b cannot start: .*train_01.* was deleted while"):
        world.run()
    assert world.entries()["a"]["status"] == "done"


def test_commands_run_with_log_memory_and_record(world, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "PROJECT", tmp_path)
    (tmp_path / "bestie").mkdir()
    (tmp_path / "bestie/__init__.py").touch()
    code = "import sys; print('said'); sys.exit(*sys.argv[2:3])"
    (tmp_path / "bestie/__main__.py").write_text(code)
    world.change("a", commands=lambda resume: [Command("work", ())])
    world.run(selected=("a",))
    entry = world.entries()["a"]
    assert entry["command"] == "python -m bestie work" and entry["peak_memory_mib"] > 1
    assert "said" in (world.output / "logs/a.log").read_text()
    world.change("a", commands=lambda resume: [Command("work", ("bestie work: it broke",))])
    with pytest.raises(StageError, match="stage a failed: .*\nIts log: .*logs/a.log"):
        world.run(selected=("a",), forced=("a",))


def test_keep_code_keeps_finished_stages_and_the_report_stage_learns_of_it(world):
    world.change("c", reports=True)
    world.run()
    before = world.entries()
    assert world.run(code="2", keep_code=True) == ["c"]
    kept = world.entries()["a"]["kept_code"]
    assert kept["changed"] == ["code (x.py)"] and kept["made_with"] != kept["now"]
    assert world.entries()["a"]["inputs"] == before["a"]["inputs"]
    assert "note: stage a kept (--keep-code); changed: code (x.py)" in world.text.getvalue()
    assert world.run(code="2", keep_code=True) == []
    assert world.run(code="1") == ["c"]  # the old code is back: nothing was kept in spite of it
    assert "kept_code" not in world.entries()["a"]
    assert world.run(code="2") == ["a", "b", "c"]


def test_forcing_a_stage_that_is_replaced_is_refused(world):
    world.change("a", replaced="maps are supplied")
    with pytest.raises(ValueError, match="--force a: it is not needed: maps are supplied"):
        world.run(forced=("a",))
