"""The error that names file and line, and atomic writing."""

import pickle

import pytest

from bestie.formats import (
    DataError,
    atomic_write,
    error_text,
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


def test_an_error_of_the_system_begins_with_the_path(tmp_path):
    (tmp_path / "file").touch()
    cases = {
        tmp_path / "nowhere": "no such file or folder",
        tmp_path: "is a folder; a file is expected",
        tmp_path / "file/x": "lies below a file; a folder is expected",
    }
    for path, message in cases.items():
        with pytest.raises(OSError) as caught:
            path.read_text()
        assert error_text(caught.value) == f"{path}: {message}"
    with pytest.raises(OSError) as caught:
        (tmp_path / "file").mkdir(exist_ok=True)
    assert error_text(caught.value) == f"{tmp_path}/file: exists already and is not a folder"


def test_an_error_of_renaming_names_the_new_path(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught:
        (tmp_path / "file").replace(tmp_path / "folder")
    message = f"{tmp_path}/folder: is a folder; a file is expected"
    assert error_text(caught.value) == message


def test_other_errors_keep_their_message():
    assert error_text(OSError(28, "No space left")) == "[Errno 28] No space left"
    assert error_text(DataError("is broken", "a.txt", 3)) == "a.txt, line 3: is broken"
    assert error_text(DataError("is not a folder", "")) == "'': is not a folder"
