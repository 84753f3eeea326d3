"""Fingerprints: what a stage read and wrote, as SHA-256 digests.

Digests are equal if and only if the content is. Data files are hashed once: their digests are kept
in a file, and taken from there while size and modification time stay the same. What the pipeline
itself wrote is always read again.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bestie.formats import atomic_write, hash_file

__all__ = [
    "PROJECT",
    "FileHashes",
    "OutputRecord",
    "digest_of",
    "find_outputs",
    "record_outputs",
]

PROJECT = Path(__file__).resolve().parents[2]
# A file that changed less than this ago could change again within the same time stamp.
SETTLE_SECONDS = 2.0

# Files of a pattern: their number, their bytes, the digest of their names and contents.
OutputRecord = dict[str, Any]


def digest_of(value: Any) -> str:
    """SHA-256 of anything that json can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class FileHashes:
    """Digests of data files, remembered between runs."""

    def __init__(self, cache: str | os.PathLike | None):
        """
        Args:
            cache: file that :meth:`save` writes; a missing or damaged one is made again.
        """
        self.cache = cache
        self._known: dict[str, list] = {}
        self._changed = False
        try:
            content = json.loads(Path(cache).read_text(encoding="utf-8")) if cache else {}
        except (OSError, ValueError):
            content = {}
        if isinstance(content, dict):
            self._known = content

    def of(self, path: str | os.PathLike) -> str | None:
        """Digest of a file's content; None if the file does not exist."""
        path = os.fspath(path)
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        key = [status.st_size, status.st_mtime_ns]
        known = self._known.get(path)
        if isinstance(known, list) and known[:2] == key and len(known) == 3:
            return known[2]
        digest = hash_file(path)
        if time.time() - status.st_mtime > SETTLE_SECONDS:
            self._known[path] = [*key, digest]
            self._changed = True
        return digest

    def table(self, files: Mapping[str, str | None]) -> dict[str, str | None]:
        """Name -> digest of name -> path; None for what does not exist."""
        return {name: None if path is None else self.of(path) for name, path in files.items()}

    def save(self) -> None:
        """Write what is new to the cache."""
        if self._changed and self.cache:
            with atomic_write(self.cache) as file:
                json.dump(self._known, file)
            self._changed = False


def find_outputs(folder: str | os.PathLike, pattern: str) -> list[Path]:
    """Files of a pattern ("cues/*.txt") in the pipeline's folder, sorted."""
    return sorted(path for path in Path(folder).glob(pattern) if path.is_file())


def record_outputs(folder: str | os.PathLike, patterns: Iterable[str]) -> dict[str, OutputRecord]:
    """Records of the files of each pattern, for the manifest.

    Returns:
        Pattern -> {"files": number, "size": bytes, "sha256": digest}.
    """
    records = {}
    for pattern in patterns:
        paths = find_outputs(folder, pattern)
        table = {path.relative_to(folder).as_posix(): hash_file(path) for path in paths}
        size = sum(path.stat().st_size for path in paths)
        records[pattern] = {"files": len(paths), "size": size, "sha256": digest_of(table)}
    return records
