import io
import json

import pytest

from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline import progress
from bestie.pipeline.progress import Progress, results_table, stage_table
from bestie.pipeline.stage import Decision

RUN = Decision("run", "not done yet")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_in_a_file_a_short_stage_is_one_line(clock):
    stream = io.StringIO()
    lines = Progress(["check", "bestie"], stream)
    lines.begin("check", RUN, None)
    lines.tick("check", lambda: 0.5)
    lines.end("check", 65, 1000)
    lines.begin("bestie", Decision("run", "changed: code"), 90)
    lines.fail("bestie")
    lines.passed("check", Decision("keep", "nothing changed"), 65)
    assert stream.getvalue().splitlines() == [
        "  [1/2] check   started ... done in 1 min 05 s, 1000 MiB",
        "  [2/2] bestie  changed: code; expected 1 min 30 s ... failed",
        "  [1/2] check   unchanged (took 1 min 05 s)",
    ]


def test_a_note_in_the_middle_of_a_stage_stands_on_a_line_of_its_own(clock):
    stream = io.StringIO()
    lines = Progress(["check"], stream)
    lines.begin("check", RUN, 1.0)
    lines.note("3 warnings")
    lines.end("check", 1, 2)
    lines.note("after")
    assert stream.getvalue().splitlines()[1:] == [
        "3 warnings",
        "  [1/1] check  done in 1 s, 2 MiB",
        "after",
    ]


def test_on_a_terminal_the_line_is_kept_up_to_date(clock):
    stream = Terminal()
    lines = Progress(["bestie"], stream)
    lines.begin("bestie", RUN, None)
    for now, share in ((110, 0.5), (110.2, 0.6), (120, 0.75), (121, 1.0)):
        clock[0] = now
        lines.tick("bestie", lambda share=share: share)
    shown = [line.rstrip() for line in stream.getvalue().split("\r")[1:]]
    assert shown[0].endswith("[#####.....]  50%, 10 s, about 10 s left")
    assert shown[1].endswith("[#######...]  75%, 20 s, about 7 s left")
    assert shown[2].endswith("[##########] 100%, 21 s, finishing")
    assert len(shown) == 3
    assert max(map(len, stream.getvalue().split("\r"))) < 80


def test_a_log_gets_a_line_every_half_minute_and_no_carriage_return(clock):
    stream = io.StringIO()
    lines = Progress(["bestie"], stream)
    lines.begin("bestie", RUN, None)
    for second in range(0, 91, 5):
        clock[0] = 100 + second
        lines.tick("bestie", lambda second=second: second / 120 if second else None)
    lines.end("bestie", 90, 2000)
    assert stream.getvalue().splitlines() == [
        "  [1/1] bestie  started ... ",
        "  [1/1] bestie  [##........]  25%, 30 s, about 1 min 30 s left",
        "  [1/1] bestie  [#####.....]  50%, 1 min 00 s, about 1 min 00 s left",
        "  [1/1] bestie  [#######...]  75%, 1 min 30 s, about 30 s left",
        "  [1/1] bestie  done in 1 min 30 s, 2000 MiB",
    ]
    assert "\r" not in stream.getvalue()


def test_the_pace_of_a_resumed_stage_is_measured_from_where_it_was(clock):
    stream = Terminal()
    lines = Progress(["bestie"], stream)
    lines.begin("bestie", Decision("resume", "was stopped"), None)
    for now, share in ((110, 0.5), (120, 0.75)):
        clock[0] = now
        lines.tick("bestie", lambda share=share: share)
    shown = [line.rstrip() for line in stream.getvalue().split("\r")[1:]]
    assert shown[0].endswith("[#####.....]  50%, 10 s")
    assert shown[1].endswith("[#######...]  75%, 20 s, about 10 s left")


def test_without_a_share_the_last_run_says_what_is_left(clock):
    stream = Terminal()
    lines = Progress(["labels"], stream)
    lines.begin("labels", RUN, 60.0)
    clock[0] = 120
    lines.tick("labels", lambda: None)
    assert "20 s, about 40 s left" in stream.getvalue()


def test_tables(tmp_path):
    stages = {"check": {"status": "done", "seconds": 2.0, "peak_memory_mib": 850.2}}
    table = stage_table(stages, ["check", "bestie"])
    assert "| check   | done     | 2 s    | 850 MiB  |" in table and "not run" in table
    assert results_table(tmp_path, RECIPE.models) == ""
    (tmp_path / "evaluation").mkdir()
    path = tmp_path / "evaluation/results.json"
    path.write_text(json.dumps({"skipped": "no ground truth"}))
    assert results_table(tmp_path, RECIPE.models) == "Not evaluated: no ground truth"
    content = {"dataset": "d", "baseline": None, "bestie": {"voc/mAP50": 41.83}, "maskrcnn": {}}
    path.write_text(json.dumps(content))
    assert "BESTIE" in results_table(tmp_path, RECIPE.models) and "41.8" in results_table(
        tmp_path, RECIPE.models
    )
