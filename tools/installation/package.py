"""This project's own package: installed from this folder (editable), unless it is elsewhere.

Every command of the Makefile puts its folder first on PYTHONPATH, so it uses the package of its own
checkout, whichever one is installed.
"""

import importlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from installation import pip

NAME = "bestie"


def install() -> None:
    """Install the package with its developer extras, or only what it lacks of other packages.

    Raises:
        InstallError: pip failed.
    """
    elsewhere = installed_elsewhere()
    if elsewhere is None:
        if not is_current():
            pip.install("--no-build-isolation", "--editable", ".[dev]")
        return
    print(
        f"The package {NAME} is installed from {elsewhere} and stays so: `make` uses this folder, "
        f"python alone uses that one. To change it: pip install -e {pip.PROJECT}",
        flush=True,
    )
    missing = [need for need in requirements() if not is_satisfied(need)]
    if missing:
        pip.install(*missing)


def installed_elsewhere() -> str | None:
    """Where the package is installed from if that is neither this folder nor one that is gone."""
    try:
        package = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return None
    origin = _origin(package)
    folder = Path(url2pathname(urlparse(origin.get("url", "")).path))
    if origin.get("url") == pip.PROJECT.as_uri():
        return None
    if origin.get("dir_info", {}).get("editable") and not folder.is_dir():
        print(f"The package {NAME} was installed from {folder}, which does not exist any more")
        return None
    return origin.get("url", "a package index").removeprefix("file://")


def is_current() -> bool:
    """Whether the package is installed, by this setup.py, with all that it needs."""
    try:
        package = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return False
    record = Path(str(package.locate_file(f"{NAME}-{package.version}.dist-info")), "RECORD")
    setup = pip.PROJECT / "setup.py"
    return (
        _origin(package).get("url") == pip.PROJECT.as_uri()
        and setup.stat().st_mtime <= record.stat().st_mtime
        and all(map(is_satisfied, requirements()))
    )


def requirements() -> list[str]:
    """What setup.py requires, developer extras included."""
    importlib.import_module("setuptools")  # brings distutils, which Python 3.12 no longer has
    from distutils.core import run_setup

    # setuptools gives the two attributes to distutils' Distribution.
    package: Any = run_setup(str(pip.PROJECT / "setup.py"), stop_after="init")
    return [*package.install_requires, *package.extras_require["dev"]]


def is_satisfied(requirement: str) -> bool:
    """Whether an installed version fits a requirement; False where that cannot be known."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # comes with what is not installed yet
        return False
    need = Requirement(requirement)
    version = pip.installed_version(need.name)
    return version is not None and need.specifier.contains(version, prereleases=True)


def _origin(package: metadata.Distribution) -> dict:
    """The direct_url.json of a distribution; {} for one from an index."""
    return json.loads(package.read_text("direct_url.json") or "{}")
