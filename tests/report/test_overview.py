"""Facts, stages, warnings and commands of a run."""

import pytest

from bestie.report.overview import (
    MAX_WARNINGS,
    commands_section,
    data_section,
    facts,
    stages_section,
    warnings_section,
)
from bestie.visualization.page import Commands
from tests.report.toy_run import charts, notes, paragraphs, put, tables, toy_run

DONE = {"status": "done", "reason": "", "seconds": 65.0, "peak_memory_mib": 512.0}


def test_facts_are_those_of_the_manifest(tmp_path):
    run = toy_run(
        tmp_path,
        {
            "check": DONE | {"started": "2030-01-02T09:00:00"},
            "train": {"started": "2030-01-02T08:05"},
        },
        data="ROOT",
        seed=0,
        precision=None,
        options=["SEED", "a b"],
        variants=["x", "y"],
    )
    assert facts(run)[:-1] == [
        ("data", "ROOT"),
        ("seed", "0"),
        ("options", "SEED 'a b'"),
        ("variants", "x, y"),
        ("started", "2030-01-02 08:05"),
    ]


@pytest.mark.parametrize(
    ("check", "train", "state"),
    [
        ("done", "done", "finished"),
        ("done", "skipped", "finished"),
        ("done", None, "unfinished: Toy network did not run"),
        (None, None, "unfinished: Check, Toy network did not run"),
        ("done", "running", "unfinished: a stage is still running, or was killed"),
        ("done", "failed", "failed in Toy network"),
        ("failed", "running", "failed in Check"),
    ],
)
def test_the_state_of_a_run(tmp_path, check, train, state):
    """The report itself is always at work while it is written."""
    records = {"check": check, "train": train, "report": "running"}
    stages = {name: {"status": status} for name, status in records.items() if status}
    assert facts(toy_run(tmp_path, stages)) == [("state", state)]


def test_a_time_that_is_not_one_is_shown_as_it_is(tmp_path):
    run = toy_run(tmp_path, {"check": DONE | {"started": "yesterday"}})
    assert ("started", "yesterday") in facts(run)


def test_images_of_each_split_and_class(tmp_path):
    run = toy_run(tmp_path)
    put(
        tmp_path,
        "check/dataset.json",
        {
            "train": {"images": 5, "images_per_class": {"cat": 2, "dog": 3}},
            "val": {"images": 4, "images_per_class": {"dog": 1, "eel": 0}},
            "version": {"of": "something else"},
        },
    )
    (table,) = tables(data_section(run))
    assert table.headers == ["Images with", "train", "val"]
    assert table.rows == [
        ["all images", 5, 4],
        ["cat", 2, None],
        ["dog", 3, 1],
        ["eel", None, 0],
    ]


@pytest.mark.parametrize("content", [None, "{}", "[1]"])
def test_without_a_check_the_data_section_says_so(tmp_path, content):
    run = toy_run(tmp_path, {"check": {"status": "running"}})
    if content:
        put(tmp_path, "check/dataset.json", content)
    assert paragraphs(data_section(run)) == [
        ("Nothing here: the stage “Check” has not finished.", "warn")
    ]


def test_stages_with_time_memory_and_reason(tmp_path):
    large = DONE | {"seconds": 400.0, "peak_memory_mib": 2048.0, "expected_seconds": 300.0}
    run = toy_run(
        tmp_path,
        {
            "check": DONE,
            "train": large,
            "report": {"status": "running"},
            "old": {"status": "failed"},
        },
    )
    section = stages_section(run)
    (table,) = tables(section)
    assert table.rows == [
        ["Check", "done", "1 min 05 s", "–", "512 MiB", ""],
        ["Toy network", "done", "6 min 40 s", "5 min 00 s", "2.0 GiB", ""],
        ["Report", "running", "–", "–", "–", "this page"],
        ["old", "failed", "–", "–", "–", ""],
    ]
    assert table.tones == ["good", "good", "warn", "bad"]
    assert paragraphs(section) == [("7 min 45 s in the stages that finished.", "")]
    assert charts(section) == ["Time of the stages in minutes"]


def test_stages_that_did_not_run_are_listed_without_a_chart(tmp_path):
    section = stages_section(toy_run(tmp_path))
    assert [row[:2] for row in tables(section)[0].rows] == [
        ["Check", "not run"],
        ["Toy network", "not run"],
        ["Report", "not run"],
    ]
    assert charts(section) == [] and paragraphs(section) == []


def test_stages_that_were_kept_although_their_code_changed_are_named(tmp_path):
    kept = {"changed": [f"{i}.py" for i in range(22)], "made_with": "a" * 64, "now": "b" * 64}
    section = stages_section(toy_run(tmp_path, {"check": DONE | {"kept_code": kept}}))
    ((line,),) = notes(section)
    assert line.startswith("Check: 0.py, 1.py, ") and "19.py and 2 more (made with code" in line
    assert f"code {'a' * 12}, now {'b' * 12})" in line and "20.py" not in line


def test_warnings_are_sorted_by_what_they_are_about(tmp_path):
    run = toy_run(tmp_path, {"train": {"status": "failed", "reason": "no space"}})
    problems = [
        {"severity": "warning", "file": "a.txt", "line": 3, "message": "is odd"},
        {"severity": "error", "file": "b.png", "line": None, "message": "is wrong"},
    ]
    put(tmp_path, "check/dataset.json", {"train": {"problems": problems}, "val": {"problems": []}})
    put(tmp_path, "maps/report/maps.json", {"findings": ["all background"]})
    run.note("c.json cannot be read")
    section = warnings_section(run)
    assert notes(section) == [
        ["The stage “Toy network” failed: no space (logs/train.log)"],
        ["b.png: is wrong"],
        ["maps: all background"],
        ["a.txt, line 3: is odd"],
        ["c.json cannot be read"],
    ]
    assert paragraphs(section) == [
        ("Failed stages: 1", "bad"),
        ("Errors in the data: 1", "bad"),
        ("Signs that the weak maps are no pseudo labels: 1", "warn"),
        ("Oddities of the data: 1", "warn"),
        ("Files that this report could not use: 1", "warn"),
    ]


def test_thousands_of_oddities_are_counted_and_the_first_are_shown(tmp_path):
    run = toy_run(tmp_path)
    problem = {"severity": "warning", "file": "a", "message": "odd"}
    put(tmp_path, "check/dataset.json", {"train": {"problems": [problem] * (MAX_WARNINGS + 1)}})
    section = warnings_section(run)
    assert paragraphs(section) == [(f"Oddities of the data: {MAX_WARNINGS + 1}", "warn")]
    assert [len(items) for items in notes(section)] == [MAX_WARNINGS]


def test_no_warning_is_good_news_only_if_the_data_was_checked(tmp_path):
    run = toy_run(tmp_path)
    ((text, tone),) = paragraphs(warnings_section(run))
    assert (text, tone) == ("Nothing here: the stage “Check” did not run.", "warn")
    put(tmp_path, "check/dataset.json", {"train": {"problems": []}})
    assert paragraphs(warnings_section(run)) == [("The checks found nothing.", "good")]


def test_commands_of_the_run_and_of_its_stages(tmp_path):
    run = toy_run(
        tmp_path, {"train": {"command": "bestie train"}, "check": {}}, command="bestie run"
    )
    (block,) = commands_section(run).blocks
    assert isinstance(block, Commands)
    assert block.commands == [("Everything", "bestie run"), ("Toy network", "bestie train")]
    (tmp_path / "other").mkdir()
    assert paragraphs(commands_section(toy_run(tmp_path / "other"))) == [
        ("The manifest records no command.", "warn")
    ]
