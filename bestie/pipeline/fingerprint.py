"""Fingerprints: what a stage read and wrote, as SHA-256 digests.

Digests are equal if and only if the content is. A file is hashed once: its digest is remembered
while the file does not change (see ``bestie.formats.file_memory``).
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bestie.formats import hash_file
from bestie.formats.file_memory import FileMemory

__all__ = [
    "PROJECT",
    "FileHashes",
    "OutputRecord",
    "count_outputs",
    "digest_of",
    "record_outputs",
]

PROJECT = Path(__file__).resolve().parents[2]

# Files of a pattern: their number, their bytes, the digest of their names and contents.
OutputRecord = dict[str, Any]


def digest_of(value: Any) -> str:
    """SHA-256 of anything that json can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class FileHashes:
    """Digests of files, remembered between runs and processes."""

    def __init__(self) -> None:
        self._memory = FileMemory("sha256")

    def of(self, path: str | os.PathLike) -> str | None:
        """Digest of a file's content; None if the file does not exist."""
        path = os.fspath(path)
        try:
            return self._memory.of(path, lambda: hash_file(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def table(self, files: Mapping[str, str | None]) -> dict[str, str | None]:
        """Name -> digest of name -> path; None for what does not exist."""
        return {name: None if path is None else self.of(path) for name, path in files.items()}

    def save(self) -> None:
        """Remember what is new."""
        self._memory.save()


def count_outputs(folder: str | os.PathLike, pattern: str) -> int:
    """Number of entries of a pattern ("cues/*.txt") in the pipeline's folder."""
    return len(glob.glob(pattern, root_dir=folder))


def record_outputs(
    folder: str | os.PathLike,
    patterns: Iterable[str],
    hash_of: Callable[[str], str | None] = hash_file,
) -> dict[str, OutputRecord]:
    """Records of the files of each pattern, for the manifest.

    Args:
        folder: of the pipeline.
        patterns: such as "cues/*.txt".
        hash_of: gives the digest of a file, such as :meth:`FileHashes.of`.

    Returns:
        Pattern -> {"files": number, "size": bytes, "sha256": digest}.
    """
    records = {}
    for pattern in patterns:
        paths = {name: os.path.join(folder, name) for name in glob.glob(pattern, root_dir=folder)}
        paths = {Path(name).as_posix(): p for name, p in paths.items() if os.path.isfile(p)}
        table = {name: hash_of(path) for name, path in paths.items()}
        size = sum(map(os.path.getsize, paths.values()))
        records[pattern] = {"files": len(paths), "size": size, "sha256": digest_of(table)}
    return records
