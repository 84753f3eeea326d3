"""What was found in files, remembered between processes and runs.

Decoding 120,000 photographs takes longer than some trainings, so what has been read once is not
read again while the file stays the same. It is remembered in the cache folder of the user
(``$BESTIE_CACHE``, else ``$XDG_CACHE_HOME/bestie``, else ``~/.cache/bestie``), never in the user's
data: one file for each folder and kind of finding. Everything in it can be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bestie.formats.base import atomic_write

__all__ = ["FileMemory", "cache_folder"]

# A file that changed less than this ago could change again within the same time stamp.
SETTLE_SECONDS = 2.0
# Increased whenever the form of the files or of the stamps changes.
VERSION = 2


def cache_folder() -> Path:
    """The folder that findings are remembered in; it need not exist."""
    given = os.environ.get("BESTIE_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "bestie")


class FileMemory:
    """Findings of one kind about files, each what json can hold.

    Several threads may ask one memory, and several processes may keep the same files; of what two
    of them save at the same time, the findings of one may be lost, and its files are read again.
    Nothing is kept of a process that is killed before it saves.

    Attributes:
        remembered: number of answers that were known.
        read: number of answers for which files were read.
    """

    def __init__(self, kind: str, maker: str = ""):
        """
        Args:
            kind: of the findings, a word.
            maker: version of the code that makes them; findings of another one are not used.
        """
        self.kind, self.maker = kind, maker
        self.remembered = self.read = 0
        # Folder -> name of a file in it (and of the finding) -> its stamp, a space, the finding as
        # json. Texts are read faster than lists of lists, and Python's garbage collector does not
        # look into them.
        self._tables: dict[str, dict[str, str]] = {}
        self._new: dict[str, dict[str, str]] = {}  # by the real folder

    def of(
        self,
        paths: str | Sequence[str],
        find: Callable[[], Any],
        *,
        name: str = "",
        given: str = "",
    ) -> Any:
        """What is known about a file, else what ``find`` returns, which is remembered.

        Args:
            paths: the file; of several, which are read together, the first one gives the name.
            find: reads the file. What it raises passes through, and neither then nor if it returns
                None anything is remembered.
            name: of the finding, where a file has several.
            given: what else the finding depends on; another text makes it unknown.
        """
        paths = (paths,) if isinstance(paths, str) else paths
        stamp, changed = _stamp(paths, given)
        folder, file = os.path.split(paths[0])
        key = f"{file} {name}" if name else file
        table = self._table(folder)
        known = table.get(key, "")
        if stamp and known.startswith(stamp):
            self.remembered += 1
            return json.loads(known[len(stamp) :])
        finding = find()
        self.read += 1
        # Stamped again: the file may have changed while it was read.
        if finding is not None and stamp and _stamp(paths, given)[0] == stamp:
            table[key] = stamp + json.dumps(finding, separators=(",", ":"))
            if time.time() - changed > SETTLE_SECONDS:
                self._new.setdefault(os.path.realpath(folder), {})[key] = table[key]
        return finding

    def knows(self, path: str) -> bool:
        """Whether something is remembered about a file."""
        return bool(self._known(path))

    def known(self, path: str) -> Any | None:
        """What is remembered about a file; None if nothing is."""
        text = self._known(path)
        return json.loads(text) if text else None

    def _known(self, path: str) -> str:
        """The finding about a file as json; "" if there is none."""
        folder, name = os.path.split(path)
        known, stamp = self._table(folder).get(name, ""), _stamp((path,))[0]
        return known[len(stamp) :] if stamp and known.startswith(stamp) else ""

    def save(self) -> None:
        """Write what is new beside what other processes have written since; never an error."""
        with contextlib.suppress(OSError):  # it saves time, no more
            for folder, new in self._new.items():
                self._write(folder, self._read(folder) | new)
            self._new = {}

    def _table(self, folder: str) -> dict[str, str]:
        """What is known about a folder; several ways to it lead to one table."""
        table = self._tables.get(folder)
        if table is None:
            real = os.path.realpath(folder)
            if real not in self._tables:
                self._tables[real] = self._read(real)
            table = self._tables[folder] = self._tables[real]
        return table

    def _file(self, folder: str) -> Path:
        name = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return cache_folder() / "files" / f"{self.kind}-{name}.json"

    def _head(self, folder: str, text: str) -> dict[str, Any]:
        return {
            "version": VERSION,
            "kind": self.kind,
            "folder": folder,
            "maker": self.maker,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }

    def _read(self, folder: str) -> dict[str, str]:
        """The findings about a folder; none if their file is missing, damaged or of another maker.

        Its first line describes the second one, the findings, and holds the digest of it.
        """
        try:
            head, _, text = self._file(folder).read_text(encoding="utf-8").partition("\n")
            table = json.loads(text) if json.loads(head) == self._head(folder, text) else {}
        except (OSError, ValueError):
            return {}
        is_table = isinstance(table, dict) and all(isinstance(t, str) for t in table.values())
        return table if is_table else {}

    def _write(self, folder: str, table: dict[str, str]) -> None:
        text = json.dumps(table, separators=(",", ":"))
        with atomic_write(self._file(folder)) as file:
            file.write(json.dumps(self._head(folder, text)) + "\n" + text)


def _stamp(paths: Sequence[str], given: str = "") -> tuple[str, float]:
    """What tells the present state of files from others, as text, "" if one is missing.

    Of each: size in bytes, times of modification and of change of state in nanoseconds, number in
    the file system. The second time cannot be set by a program, so copies that restore the first
    one (``cp -p``, ``rsync -t``) are noticed; so are files that take the place of others of the
    same size. Links count as what they lead to. With a text that is given besides, a digest of all.
    Also the time of the last change, in seconds.
    """
    stamp, changed = "", 0.0
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            return "", 0.0
        stamp += f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} "
        changed = max(changed, status.st_mtime, status.st_ctime)
    if given:
        stamp = hashlib.sha256(f"{stamp}{given}".encode("utf-8", "surrogateescape")).hexdigest()
        stamp += " "
    return stamp, changed
