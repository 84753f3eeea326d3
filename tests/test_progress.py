"""Progress of loops: whole lines in a log, a bar on a terminal."""

import sys

import pytest

from bestie import progress
from bestie.progress import track


def test_a_log_gets_whole_lines_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for number in track(range(8), "cues"):
        now[0] += 10
        assert number * 10 + 10 == now[0]
    assert capsys.readouterr().err.splitlines() == [
        "cues: 3 of 8 images, about 50 s left",
        "cues: 6 of 8 images, about 20 s left",
        "cues: 8 images in 1 min 20 s",
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_short_loops_write_one_line(capsys, number):
    assert list(track([7] * number, "maps")) == [7] * number
    assert capsys.readouterr().err == f"maps: {number} images in 0 s\n"


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(track([1, 2], "maps")) == [1, 2]
    assert "\r" in capsys.readouterr().err
