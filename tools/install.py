#!/usr/bin/env python3
"""Installs what this project runs on: the step behind `make install`, and safe to repeat.

torch, torchvision, setuptools, Detectron2 and the package itself (editable, with its developer
extras) go into the Python that runs this. What is installed already stays as it is. Standard
library only, since it runs before everything else; pip's own output goes to a log file.
"""

import argparse
import importlib.util
import os
import subprocess
import sys

from installation import detectron2_source, package, pip


def main(args: argparse.Namespace) -> int:
    os.chdir(pip.PROJECT)
    pip.start_log()
    missing = [name for name in ("torch", "torchvision") if importlib.util.find_spec(name) is None]
    try:
        if not setuptools_fits():
            pip.install(args.setuptools)
        source = detectron2_source.choose(args.detectron2, args.replace)
        requirement = detectron2_source.prepare(source) if source else ""
        if "torch" in missing:
            pip.install(args.torch, args.torchvision)
        elif "torchvision" in missing:
            pip.install("torchvision")  # the one that fits the installed torch
        if source:
            detectron2_source.install(source, requirement)
        package.install()
    except pip.InstallError as error:
        print(
            f"Installation failed: {error} (all of pip's output: {pip.LOG})\n"
            "Fix that and repeat `make install`; in a virtual environment of your own: "
            "python3 -m venv .venv && make install PYTHON=.venv/bin/python",
            file=sys.stderr,
        )
        return 1
    # Something large is new: check whether it works together.
    return subprocess.call([sys.executable, "tools/doctor.py"]) if missing or source else 0


def setuptools_fits() -> bool:
    """Whether setuptools still has pkg_resources, and builds wheels without help (70.1)."""
    version = pip.installed_version("setuptools")
    return version is not None and (70, 1) <= tuple(map(int, version.split(".")[:2])) < (81,)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", required=True, help="installed if torch is missing")
    parser.add_argument("--torchvision", required=True, help="installed with that torch")
    parser.add_argument("--setuptools", required=True, help="installed unless 70.1 <= version < 81")
    parser.add_argument(
        "--detectron2",
        default="",
        help="a pip requirement, or pypi (the Python part of release 0.6); "
        "default: the pinned commit on GitHub, or pypi where that cannot be installed",
    )
    parser.add_argument(
        "--replace", action="store_true", help="--detectron2 replaces the other tested version"
    )
    sys.exit(main(parser.parse_args()))
