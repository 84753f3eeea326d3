"""Calls of pip in the running Python; pip's own output goes to a log file."""

import importlib
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOG = PROJECT / "build" / "install.log"

# Git gives up instead of asking for a password, or when less than 1 kB/s arrives for a minute.
QUIET_GIT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
    "GIT_HTTP_LOW_SPEED_TIME": "60",
}


class InstallError(Exception):
    """Something could not be installed; the message is the reason."""


def start_log() -> None:
    """Start with an empty log file."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")


def installed_version(name: str) -> str | None:
    """Version of an installed distribution; None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install(*arguments: str) -> None:
    """Run ``pip install``; an installed torch stays as it is.

    Raises:
        InstallError: pip failed; with the reason that it gave.
    """
    requirements = " ".join(argument for argument in arguments if not argument.startswith("-"))
    print(f"installing {requirements} (pip's output: {LOG.relative_to(PROJECT)})", flush=True)
    versions = {name: installed_version(name) for name in ("torch", "torchvision")}
    kept = [f"{name}=={version}" for name, version in versions.items() if version]
    run("install", *arguments, *kept)


def run(*arguments: str, environment: dict[str, str] | None = None) -> None:
    """Run pip, its output to the log.

    Args:
        *arguments: of pip.
        environment: variables to set for it.

    Raises:
        InstallError: pip failed; with the reason that it gave.
    """
    before = LOG.stat().st_size
    with LOG.open("ab") as log:
        status = subprocess.call(
            [sys.executable, "-m", "pip", arguments[0], "--no-input", *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | QUIET_GIT | (environment or {}),
        )
    importlib.invalidate_caches()
    if status != 0:
        raise InstallError(reason(LOG.read_bytes()[before:].decode(errors="replace")))


def reason(output: str) -> str:
    """The line of pip's output that explains most: the fatal one of git, or the first error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal:")]
    errors = [line for line in lines if re.match(r"(?i)error: (?!subprocess-exited)", line)]
    return (fatal or errors or lines[-1:] or ["no output"])[0]
