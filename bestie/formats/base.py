"""What all readers and writers share: the error, line-wise reading, atomic writing.

:class:`DataError` and :func:`atomic_write` are used in the whole package.
"""

import contextlib
import hashlib
import json
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

__all__ = [
    "DataError",
    "atomic_write",
    "configs_folder",
    "error_text",
    "hash_file",
    "join_errors",
    "plain_json",
    "read_lines",
    "reporter",
    "to_json",
]

PACKAGE = Path(__file__).resolve().parents[1]


class DataError(ValueError):
    """A mistake in the user's data.

    Args:
        message: what was found and what is accepted.
        file: the file (or folder) that it is about.
        line: line of a text file, counted from 1.
    """

    def __init__(
        self, message: str, file: str | os.PathLike | None = None, line: int | None = None
    ):
        file = None if file is None else os.fspath(file)
        super().__init__(message, file, line)
        self.message, self.file, self.line = message, file, line

    def __str__(self) -> str:
        if self.file is None:
            return self.message
        place = (self.file or "''") if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


# What the system says about a path, in the words of the other messages.
_PATH_ERRORS: dict[type[OSError], str] = {
    FileExistsError: "exists already and is not a folder",
    FileNotFoundError: "no such file or folder",
    IsADirectoryError: "is a folder; a file is expected",
    NotADirectoryError: "lies below a file; a folder is expected",
}


def error_text(error: BaseException) -> str:
    """The message of an error for a user; that of the system about a path begins with the path."""
    if not isinstance(error, OSError) or error.filename is None or not error.strerror:
        return str(error)
    # What is renamed first has a temporary name; the second one is that of the user.
    return f"{error.filename2 or error.filename}: {_PATH_ERRORS.get(type(error), error.strerror)}"


def configs_folder() -> Path:
    """The folder of the YAML files: inside an installed package, beside it in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def hash_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's content, hexadecimal; the file may be larger than the memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def join_errors(errors: Sequence[object], shown: int = 50) -> DataError:
    """One DataError that lists many, ``shown`` at most, one a line."""
    more = [f"... and {len(errors) - shown} more"] if len(errors) > shown else []
    lines = "\n".join(f"  {line}" for line in [*errors[:shown], *more])
    return DataError(f"{len(errors)} error(s) in the data:\n{lines}")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside ``path``; rename it to ``path`` on success, else remove it.

    Args:
        path: file to write; its folder is made if need be.
        mode: "w" (UTF-8 text) or "wb".
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not longer than the name, which may have the greatest length that a file system allows.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(value: Any, indent: int | None = None, *, sort_keys: bool = False) -> str:
    """Strict json text of metrics: NaN and infinities, which json does not have, become null.

    Raises:
        TypeError: ``value`` holds something that json cannot hold.
    """
    return json.dumps(plain_json(value), indent=indent, sort_keys=sort_keys, allow_nan=False)


def plain_json(value: Any) -> Any:
    """The same dicts, lists and numbers, with None in place of every number that is not finite."""
    if isinstance(value, Mapping):
        return {key: plain_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reporter(path: Path, problems: list[DataError] | None) -> Callable[..., None]:
    """``report(message, line=None)``: append a DataError to ``problems``, or raise it if None."""

    def report(message: str, line: int | None = None) -> None:
        error = DataError(message, path, line)
        if problems is None:
            raise error
        problems.append(error)

    return report


def read_lines(path: Path, report: Callable[..., None], hint: str = "") -> list[str] | None:
    """Lines of a UTF-8 text file; None if it cannot be read, which goes to ``report``."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        report(f"file does not exist{hint}")
        return None
    except OSError as error:
        report(f"cannot be read ({error.strerror})")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report("is not UTF-8 text", content.count(b"\n", 0, error.start) + 1)
        return None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        report("holds a NUL character; UTF-8 text is expected (not UTF-16)", line)
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]
