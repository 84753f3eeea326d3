"""Which Detectron2 is installed: the order of the sources, and what happens when one fails."""

import importlib.util
import os
import subprocess
import time

import pytest

from installation import detectron2_source, detectron2_wheel, pip
from installation.detectron2_source import PINNED, PYPI, Source


@pytest.fixture
def machine(monkeypatch):
    """Set what is installed (None: nothing) and what is wrong with GitHub (None: nothing)."""

    def setup(installed: str | None, github: str | None = None) -> None:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: installed and find_spec(name))
        monkeypatch.setattr(pip, "installed_version", lambda _: installed)
        monkeypatch.setattr(detectron2_source, "_github_problem", lambda: github)

    return setup


@pytest.mark.parametrize("version", ["0.6", detectron2_wheel.VERSION])
def test_installed_one_stays_and_nothing_is_printed(machine, capsys, version):
    machine(version)
    assert detectron2_source.choose("") is None
    assert capsys.readouterr().out == ""


def test_request_that_an_installed_one_overrules_is_reported(machine, capsys):
    machine("0.6")
    assert detectron2_source.choose("../detectron2") is None
    assert "0.6 is installed and stays: DETECTRON2=../detectron2 is not" in capsys.readouterr().out


def test_pypi_replaces_another_one_and_only_that(machine, capsys):
    machine("0.6")
    assert detectron2_source.choose(PYPI) == Source(PYPI, "DETECTRON2=pypi asks for it")
    machine(detectron2_wheel.VERSION)
    assert detectron2_source.choose(PYPI) is None
    assert "it is what DETECTRON2=pypi asks for" in capsys.readouterr().out


def test_replacement_is_made_on_request_where_the_other_version_is_installed(machine):
    machine(detectron2_wheel.VERSION)
    assert detectron2_source.choose(PINNED, replace=True).requirement == PINNED
    machine("0.6")
    assert detectron2_source.choose(PINNED, replace=True) is None


def test_request_goes_before_github(machine):
    machine(None)
    assert detectron2_source.choose("a.whl") == Source("a.whl", "DETECTRON2=a.whl asks for it")


def test_github_goes_before_pypi_and_may_fall_back(machine):
    machine(None)
    source = detectron2_source.choose("")
    assert (source.requirement, source.falls_back) == (PINNED, True)
    machine(None, github="fatal: no route")
    assert detectron2_source.choose("") == Source(
        PYPI, "GitHub cannot be reached (fatal: no route)"
    )


@pytest.fixture
def calls(monkeypatch):
    """Requirements that pip gets; those of GitHub fail to compile."""
    received = []

    def install(*arguments):
        received.append(arguments[-1])
        if arguments[-1].startswith("git+"):
            raise pip.InstallError("error: command 'g++' failed")

    monkeypatch.setattr(pip, "install", install)
    monkeypatch.setattr(detectron2_wheel, "fetch_and_build", lambda folder: folder / "a.whl")
    return received


def test_pinned_commit_that_does_not_compile_is_replaced(calls, capsys):
    source = Source(PINNED, "GitHub can be reached", falls_back=True)
    detectron2_source.install(source, detectron2_source.prepare(source))
    assert calls == [PINNED, str(detectron2_source.FOLDER / "a.whl")]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Detectron2: Python part of release 0.6 from PyPI (pb1-detectron2==0.6)")
    assert line.endswith("cannot be installed here (error: command 'g++' failed)")


def test_source_that_was_asked_for_is_not_replaced(calls):
    source = Source("git+https://example.com/fork.git", "DETECTRON2=... asks for it")
    with pytest.raises(pip.InstallError, match="could not be installed from git.*DETECTRON2=pypi"):
        detectron2_source.install(source, detectron2_source.prepare(source))
    assert calls == [source.requirement]


def test_both_reasons_are_given_where_pypi_fails_too(monkeypatch):
    def fail(folder):
        raise pip.InstallError("No matching distribution")

    monkeypatch.setattr(detectron2_wheel, "fetch_and_build", fail)
    with pytest.raises(pip.InstallError, match="GitHub is away, but the .* No matching distrib"):
        detectron2_source.prepare(Source(PYPI, "GitHub is away"))


def test_repository_that_git_reads_is_no_problem(tmp_path):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert detectron2_source._github_problem(str(tmp_path)) is None


def test_repository_that_git_cannot_read_is_a_problem_with_a_reason(tmp_path):
    assert detectron2_source._github_problem(str(tmp_path / "nothing")).startswith("fatal: ")


def test_github_that_does_not_answer_costs_little_time(tmp_path, monkeypatch):
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nsleep 60 &\nsleep 60\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    begin = time.monotonic()
    assert detectron2_source._github_problem("x", patience=0.5) == "no answer in 0.5 s"
    assert time.monotonic() - begin < 10


def test_missing_git_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert detectron2_source._github_problem() == "git is not installed"
