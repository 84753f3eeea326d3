"""Which Detectron2 is installed, and why.

The order: what is installed already; what DETECTRON2=... names; the pinned commit on GitHub; and
where that cannot be reached or built, the Python part of release 0.6 from PyPI.
"""

import importlib.util
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass

from installation import detectron2_wheel, pip

REPOSITORY = "https://github.com/facebookresearch/detectron2.git"
# The commit that this project is tested with.
PINNED = f"git+{REPOSITORY}@02b5c4e295e990042a714712c21dc79b731e8833"
# The value of DETECTRON2 that asks for the Python part of release 0.6.
PYPI = "pypi"
PYTHON_PART = f"Python part of release 0.6 from PyPI ({detectron2_wheel.ARCHIVE})"

# How long to wait for an answer of GitHub.
ANSWER_SECONDS = 15
FOLDER = pip.PROJECT / "build" / "detectron2"
ADVICE = (
    "Name a source that this machine can reach, make install DETECTRON2=<local checkout, wheel or "
    "URL>, or DETECTRON2=pypi for the Python part of release 0.6"
)


@dataclass(frozen=True)
class Source:
    """Where Detectron2 comes from.

    Attributes:
        requirement: of pip; PYPI for the Python part of release 0.6.
        reason: why this one.
        falls_back: whether PYPI replaces it if it cannot be installed.
    """

    requirement: str
    reason: str
    falls_back: bool = False


def choose(asked: str, replace: bool = False) -> Source | None:
    """Decide what to install.

    Args:
        asked: a requirement of pip, PYPI, or "" to let this function decide.
        replace: whether ``asked`` may replace an installed Detectron2; PYPI always may.

    Returns:
        What to install; None: the installed one stays.
    """
    if importlib.util.find_spec("detectron2") is not None:
        is_other = (asked == PYPI) != is_python_part()
        if not (asked and is_other and (replace or asked == PYPI)):
            if asked:
                version = pip.installed_version("detectron2") or "of unknown version"
                print(f"Detectron2 {version} is installed and stays: {_why_it_stays(asked)}")
            return None
    if asked:
        return Source(asked, f"DETECTRON2={asked} asks for it")
    problem = _github_problem()
    if problem:
        return Source(PYPI, f"GitHub cannot be reached ({problem})")
    return Source(PINNED, "it is the tested commit, and GitHub can be reached", falls_back=True)


def _why_it_stays(asked: str) -> str:
    if asked == PYPI:
        return "it is what DETECTRON2=pypi asks for"
    return f"DETECTRON2={asked} is not used; to use it, run `pip uninstall detectron2` first"


def is_python_part() -> bool:
    """Whether the installed Detectron2 is the Python part of release 0.6."""
    return pip.installed_version("detectron2") == detectron2_wheel.VERSION


def prepare(source: Source) -> str:
    """Fetch what can be fetched without torch, so that it fails before torch is downloaded.

    Returns:
        The requirement to install.

    Raises:
        InstallError: PyPI's archive cannot be downloaded.
    """
    if source.requirement != PYPI:
        return source.requirement
    try:
        return str(detectron2_wheel.fetch_and_build(FOLDER))
    except pip.InstallError as error:
        raise pip.InstallError(
            f"{source.reason}, but the {PYTHON_PART} cannot be fetched: {error}. {ADVICE}"
        ) from error


def install(source: Source, requirement: str) -> None:
    """Install what :func:`prepare` returned; print one line about what it is, and why.

    Raises:
        InstallError: it cannot be installed, nor what would replace it.
    """
    try:
        pip.install("--no-build-isolation", requirement)
    except pip.InstallError as error:
        if not source.falls_back:
            raise pip.InstallError(
                f"Detectron2 could not be installed from {requirement}: {error}. {ADVICE}"
            ) from error
        other = Source(PYPI, f"the pinned commit on GitHub cannot be installed here ({error})")
        install(other, prepare(other))
        return
    name = PYTHON_PART if source.requirement == PYPI else source.requirement
    print(f"Detectron2: {name}, because {source.reason}", flush=True)


def _github_problem(address: str = REPOSITORY, patience: float = ANSWER_SECONDS) -> str | None:
    """Why git cannot read the repository; None if it can. Takes ``patience`` seconds at most."""
    with tempfile.TemporaryFile() as output:
        try:
            probe = subprocess.Popen(
                ["git", "ls-remote", "--exit-code", address, "HEAD"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=os.environ | pip.QUIET_GIT,
                start_new_session=True,  # git starts further processes, which have to end, too
            )
        except FileNotFoundError:
            return "git is not installed"
        try:
            status = probe.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(probe.pid, signal.SIGKILL)
            probe.wait()
            return f"no answer in {patience:g} s"
        output.seek(0)
        return pip.reason(output.read().decode(errors="replace")) if status != 0 else None
