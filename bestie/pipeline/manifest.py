"""The manifest of a pipeline's folder, and the lock that keeps two runs out of it.

``manifest.json`` is rewritten at every change of a stage (to a temporary name, then renamed); the
lock ends with the processes that hold it. The report reads the manifest.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bestie.formats import DataError, atomic_write, to_json
from bestie.report.run_folder import MANIFEST

try:
    import fcntl
except ImportError:  # Windows: hold_lock says what is supported
    fcntl = None  # type: ignore[assignment]  # a module there, None here

__all__ = ["LOCK", "MANIFEST", "VERSION", "Manifest", "begun_stages", "hold_lock"]

LOCK = ".lock"
# Increased whenever runs of older manifests cannot be resumed.
VERSION = 1
# What a folder belongs to; another one needs another folder.
IDENTITY = ("data", "supervision", "preset")
# How long the processes of a killed run may take to end, seconds.
PATIENCE = 30.0


class Manifest:
    """What was done in a folder, stage by stage.

    An entry holds "status" ("running", "done", "failed" or "skipped"), "reason", "started",
    "seconds", "expected_seconds", "peak_memory_mib", "command", "inputs" (fingerprints) and
    "outputs" (pattern -> number, bytes and digest of the files).

    Attributes:
        folder (Path): the pipeline's folder.
        content (dict): as ``manifest.json`` holds it.
    """

    def __init__(self, folder: Path, header: dict[str, Any], stages: dict[str, dict]):
        self.folder = folder
        self.content = {"version": VERSION, **header, "stages": stages}

    @classmethod
    def open(cls, folder: str | os.PathLike, header: dict[str, Any]) -> "Manifest":
        """Read the manifest of a folder, or begin one; nothing is written yet.

        Args:
            folder: of the pipeline.
            header: "command", "data", "supervision", "preset", ... of this run.

        Raises:
            DataError: the folder holds something else, another run, or a damaged manifest.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if folder.exists() and not folder.is_dir():
            raise DataError("is not a folder; name another --output", folder)
        if not path.is_file():
            others = sorted(p.name for p in folder.glob("*") if not p.name.startswith("."))
            if others:
                raise DataError(
                    f"is not empty ({', '.join(others[:5])}) and holds no {MANIFEST}: it is not "
                    "a folder of this pipeline; name another --output",
                    folder,
                )
            return cls(folder, header, {})
        found = _read(path)
        begun = begun_stages(found["stages"])
        for key in IDENTITY if begun else ():
            if found.get(key) != header[key]:
                raise DataError(
                    f"holds a run with {key} {found.get(key)!r}, now it is {header[key]!r}; "
                    "name another --output",
                    folder,
                )
        return cls(folder, header, found["stages"] if begun else {})

    @property
    def stages(self) -> dict[str, dict]:
        """Stage -> entry; filled as the stages come."""
        return self.content["stages"]

    def update(self, stage: str, **fields: Any) -> None:
        """Set fields of a stage's entry, and write the file."""
        self.stages[stage] = self.stages.get(stage, {}) | fields
        self.write()

    def replace(self, stage: str, **fields: Any) -> None:
        """Start a new entry of a stage, and write the file."""
        self.stages[stage] = fields
        self.write()

    def write(self) -> None:
        """Write ``manifest.json``."""
        with atomic_write(self.folder / MANIFEST) as file:
            file.write(to_json(self.content, indent=1) + "\n")


def _read(path: Path) -> dict[str, Any]:
    advice = "nothing was touched; put the file right, or name another --output"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        message = f"is not well-formed json ({error.msg}); {advice}"
        raise DataError(message, path, error.lineno) from None
    except UnicodeDecodeError:
        raise DataError(f"is not UTF-8 text; {advice}", path) from None
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(s, dict) for s in stages.values()):
        raise DataError(f"is not a manifest of this pipeline; {advice}", path)
    if content.get("version") != VERSION:
        raise DataError(
            f"is of version {content.get('version')}, this pipeline writes {VERSION}; {advice}",
            path,
        )
    return content


def begun_stages(stages: Any) -> list[str]:
    """Names of the stages of a manifest that hold work: those after the check that have begun."""
    found = stages.items() if isinstance(stages, dict) else ()
    return [n for n, s in found if n != "check" and isinstance(s, dict) and "inputs" in s]


@contextmanager
def hold_lock(folder: Path, patience: float = PATIENCE) -> Iterator[int]:
    """Keep other runs out of a folder; gives the descriptor that child processes should inherit.

    The lock belongs to the open file: it lasts until this process and all children that inherited
    the descriptor have ended, however they end. If a run was killed, its children may take some
    seconds to end; they are waited for.

    Raises:
        DataError: another run uses the folder.
        ValueError: the operating system is not supported.
    """
    if fcntl is None:
        raise ValueError(
            f"the pipeline runs on Linux and macOS, this is {platform.system()}: use WSL there. "
            "The other commands (bestie check, train, predict, export, ...) need no such system."
        )
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + patience
        while not _locked(descriptor):
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            if _is_alive(owner) or time.monotonic() > deadline:
                raise DataError(
                    f"another run (process {owner or 'unknown'}) is running there; wait for it, "
                    "or name another --output",
                    folder,
                )
            time.sleep(0.2)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
