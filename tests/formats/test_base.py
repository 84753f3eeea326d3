"""The error that names file and line, and atomic writing."""

import pickle

import pytest

from bestie.formats import (
    DataError,
    atomic_write,
)


def test_error_names_file_and_line_and_survives_pickling():
    error = pickle.loads(pickle.dumps(DataError("is wrong", "points.txt", 3)))
    assert str(error) == "points.txt, line 3: is wrong"
    assert (error.file, error.line, error.message) == ("points.txt", 3, "is wrong")
    assert str(DataError("two errors")) == "two errors"


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with atomic_write(path) as file:
        file.write("old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]
