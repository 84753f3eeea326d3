#!/usr/bin/env python3
"""Brings what this project runs on: the step behind `make install`, and safe to repeat.

Comes in: pip requirements (the Makefile names them). Goes out: torch, torchvision, setuptools,
Detectron2 and the package itself (editable, with its developer extras) in the Python that runs
this. What is installed already is taken as it is. Standard library only, since it runs before
everything else; pip's own output goes to a log file.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOG = Path("build/install.log")
PUBLIC_DETECTRON2 = "git+https://github.com/facebookresearch/detectron2.git"


class InstallError(Exception):
    """pip failed; the message is the reason that it gave."""


def main(args: argparse.Namespace) -> int:
    os.chdir(PROJECT)
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    missing = [module for module in ("torch", "torchvision", "detectron2") if not found(module)]
    if "detectron2" not in missing and not args.detectron2.startswith(PUBLIC_DETECTRON2):
        print(f"Detectron2 is installed already: DETECTRON2={args.detectron2} is not used")
    try:
        if "torch" in missing:
            pip(args.torch, args.torchvision)
        elif "torchvision" in missing:
            pip("torchvision")  # the one that fits the installed torch
        if not setuptools_fits():
            pip(args.setuptools)
        if "detectron2" in missing and not install_detectron2(args.detectron2):
            return 1
        if not package_is_current():
            pip("--no-build-isolation", "--editable", ".[dev]")
    except InstallError as error:
        print(f"pip failed: {error} (all of its output: {LOG})", file=sys.stderr)
        print(
            "Mend that and repeat `make install`; in a virtual environment of your own: "
            "python3 -m venv .venv && make install PYTHON=.venv/bin/python",
            file=sys.stderr,
        )
        return 1
    # Something large is new: look whether it works together.
    return subprocess.call([sys.executable, "tools/doctor.py"]) if missing else 0


def found(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def setuptools_fits() -> bool:
    """Whether setuptools still has pkg_resources, and builds wheels without help (70.1)."""
    version = installed_version("setuptools")
    return version is not None and (70, 1) <= tuple(map(int, version.split(".")[:2])) < (81,)


def package_is_current() -> bool:
    """Whether the package is installed from this folder, by this setup.py, with all it needs."""
    try:
        from packaging.requirements import Requirement

        package = metadata.distribution("bestie")
    except (ImportError, metadata.PackageNotFoundError):
        return False
    origin = json.loads(package.read_text("direct_url.json") or "{}").get("url")
    record = Path(package.locate_file(f"bestie-{package.version}.dist-info"), "RECORD")
    if origin != PROJECT.as_uri() or Path("setup.py").stat().st_mtime > record.stat().st_mtime:
        return False
    needed = [Requirement(line) for line in package.requires or []]
    return all(
        (version := installed_version(need.name)) and need.specifier.contains(version, True)
        for need in needed
        if need.marker is None or need.marker.evaluate({"extra": "dev"})
    )


def install_detectron2(requirement: str) -> bool:
    try:
        pip("--no-build-isolation", requirement)
    except InstallError as error:
        print(
            f"Detectron2 is not installed, and could not be installed from {requirement}: {error} "
            f"(all of pip's output: {LOG})\n"
            "Name a source that this machine can reach, make install DETECTRON2=<local checkout, "
            "wheel or URL>, or install Detectron2 by hand; then repeat.",
            file=sys.stderr,
        )
        return False
    return True


def pip(*arguments: str) -> None:
    """Run `pip install`, its output to the log; an installed torch stays as it is.

    Raises:
        InstallError: with the reason, if pip fails.
    """
    requirements = " ".join(argument for argument in arguments if not argument.startswith("-"))
    print(f"installing {requirements} (pip's output: {LOG})", flush=True)
    versions = {name: installed_version(name) for name in ("torch", "torchvision")}
    kept = [f"{name}=={version}" for name, version in versions.items() if version]
    command = [sys.executable, "-m", "pip", "install", "--no-input", *arguments, *kept]
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    before = LOG.stat().st_size
    with LOG.open("ab") as log:
        status = subprocess.call(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
    if status != 0:
        raise InstallError(reason(LOG.read_bytes()[before:].decode(errors="replace")))


def reason(output: str) -> str:
    """The line of pip's output that tells most: the fatal one of git, or the first error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal:")]
    errors = [line for line in lines if re.match(r"(?i)error: (?!subprocess-exited)", line)]
    return (fatal or errors or lines[-1:] or ["no output"])[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", required=True, help="installed if there is no torch")
    parser.add_argument("--torchvision", required=True, help="installed with that torch")
    parser.add_argument("--setuptools", required=True, help="installed unless 70.1 <= version < 81")
    parser.add_argument("--detectron2", required=True, help="installed if there is no Detectron2")
    sys.exit(main(parser.parse_args()))
