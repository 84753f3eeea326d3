"""Which code a stage runs, as digests: what decides whether a finished stage is out of date.

The entry points of a stage give a digest per source file that they import, and the versions of the
libraries that can change a result. Comments, docstrings and layout do not count. Nor does what a
method registers in ``bestie.method``: it changes a result only through the settings, which have a
digest of their own.
"""

import hashlib
import platform
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bestie.pipeline.fingerprint import PROJECT, digest_of
from bestie.pipeline.imports import Closure, Package, source_digest_text

__all__ = ["CODE_KINDS", "DISPLAY_ONLY", "code_of", "library_versions", "strings_of"]

# Inputs of a stage that --keep-code disregards.
CODE_KINDS = ("code", "libraries")
# Modules that only decide what a person sees: they make no result, and only the report depends on
# them.
DISPLAY_ONLY = ("bestie.visualization", "bestie.report")
# A new minor version of one of these makes the stages run again that import it.
RESULT_LIBRARIES = ("torch", "torchvision", "detectron2", "timm")
# Of these, other sources do so too: every Detectron2 since 2021 calls itself 0.6.
DIGESTED_LIBRARIES = ("detectron2",)
# Folders of a library that depend on how it was installed: copies, or links to a checkout.
NOT_DIGESTED = ("projects", "model_zoo")
# Versions that are recorded, for people to compare.
RECORDED_LIBRARIES = (*RESULT_LIBRARIES, "numpy", "opencv-python-headless", "pycocotools", "scipy")
# Files inside a package that are not Python and that its modules read.
DATA_SUFFIXES = (".html", ".css", ".js", ".json", ".yaml")
DIGITS = 16  # of a digest in the manifest


def code_of(
    entries: Iterable[str],
    *,
    names: Collection[str] = (),
    files: Iterable[str] = (),
    display: bool = False,
    package: Package | None = None,
) -> dict[str, dict[str, str]]:
    """What a stage's result depends on besides its data and settings.

    Args:
        entries: modules or scripts that it runs.
        names: strings of its configuration.
        files: files that count by themselves, without what they import; relative to the project.
        display: whether the code that draws and formats counts.
        package: where to look; None: this project.

    Returns:
        "code": file, relative to the project -> digest; "libraries": name -> major.minor, and a
        digest of the sources where that does not say enough.
    """
    package = package or Package(PROJECT, "bestie")
    stop = () if display else DISPLAY_ONLY
    closure = package.closure(entries, names=names, stop=stop)
    paths = {*closure.files.values(), *(package.folder / name for name in files)}
    paths |= set(_data_beside(closure))
    code = {
        path.relative_to(package.folder).as_posix(): _digest(path.read_bytes(), path.suffix)
        for path in sorted(paths)
    }
    libraries = {
        name: _essence(version)
        for name, version in library_versions(RESULT_LIBRARIES).items()
        if name in closure.libraries
    }
    return {"code": code, "libraries": libraries}


@lru_cache
def library_versions(names: tuple[str, ...] = RECORDED_LIBRARIES) -> dict[str, str]:
    """Name -> version of the libraries that are installed, and of Python.

    A version that does not say enough is followed by a digest of the library's Python files: "0.6
    (sources 1f0d8a35)".
    """
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if name in DIGESTED_LIBRARIES:
            found[name] += f" (sources {_source_digest(name)})"
    return found


def _essence(version: str) -> str:
    """Major and minor number, and the digest of the sources: "2.14.1+cpu" is "2.14"."""
    number, *sources = version.split(" ", 1)
    return " ".join([".".join(number.split(".")[:2]), *sources])


def _source_digest(name: str) -> str:
    """Digest of the Python files of an installed library, wherever and however it is installed."""
    spec = find_spec(name)
    table = {}
    for folder in map(Path, spec.submodule_search_locations or () if spec else ()):
        for path in folder.rglob("*.py"):
            place = path.relative_to(folder)
            if place.parts[0] not in NOT_DIGESTED:
                table[place.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest_of(table)[:8]


def strings_of(value: Any) -> frozenset[str]:
    """All strings in a config, whatever their depth."""
    if isinstance(value, str):
        return frozenset([value])
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return frozenset()
    return frozenset().union(*map(strings_of, value))


def _data_beside(closure: Closure) -> Iterator[Path]:
    """Files of a package that are not Python, such as templates."""
    for folder in {path.parent for name, path in closure.files.items() if name[-3:] != ".py"}:
        yield from (path for path in folder.iterdir() if path.suffix in DATA_SUFFIXES)


@lru_cache(maxsize=1024)
def _digest(content: bytes, suffix: str) -> str:
    if suffix == ".py":
        content = source_digest_text(content.decode()).encode("utf-8", "backslashreplace")
    return hashlib.sha256(content).hexdigest()[:DIGITS]
