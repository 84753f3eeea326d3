import json
import os
import threading

import pytest

from bestie.formats import file_memory
from bestie.formats.file_memory import FileMemory, cache_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of what is remembered; files that have just been written count."""
    monkeypatch.setattr(file_memory, "SETTLE_SECONDS", -60.0)
    monkeypatch.setenv("BESTIE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data/a.txt"
    path.parent.mkdir()
    write(path, "one")
    return path


def write(path, text, time=1_000_000_000):
    path.write_text(text)
    os.utime(path, (time, time))


def length(path, memory):
    return memory.of(str(path), lambda: [len(path.read_text())])


def test_a_file_is_read_once_and_again_when_it_changes(cache, path):
    memory = FileMemory("length")
    assert length(path, memory) == length(path, memory) == [3]
    assert (memory.read, memory.remembered) == (1, 1)
    memory.save()
    later = FileMemory("length")
    assert later.known(str(path)) == [3] == length(path, later) and later.read == 0
    write(path, "three")  # another size
    assert later.known(str(path)) is None and length(path, later) == [5]
    write(path, "seven", time=1_000_000_001)  # the same size, changed later
    assert later.known(str(path)) is None


def replace_content(path):
    path.write_text("six")


def replace_file(path):
    path.with_name("new").write_text("six")
    path.with_name("new").replace(path)


def replace_target(path):
    path.with_name("new").write_text("six")
    path.unlink()
    path.symlink_to("new")


@pytest.mark.parametrize("change", [replace_content, replace_file, replace_target])
def test_a_change_that_keeps_size_and_time_of_modification_is_noticed(cache, path, change):
    memory = FileMemory("length")
    length(path, memory)
    memory.save()
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p and rsync -t do
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert memory.known(str(path)) is None and FileMemory("length").known(str(path)) is None


def test_a_link_that_leads_elsewhere_is_another_file(cache, path, tmp_path):
    other = tmp_path / "other/a.txt"
    other.parent.mkdir()
    write(other, "six")
    link = tmp_path / "link"
    link.symlink_to(path.parent)
    memory = FileMemory("length")
    length(link / "a.txt", memory)
    link.unlink()
    link.symlink_to(other.parent)
    assert memory.known(str(link / "a.txt")) is None
    memory.save()
    assert FileMemory("length").known(str(link / "a.txt")) is None


def test_several_ways_to_a_file_lead_to_one_finding(cache, path, tmp_path):
    memory = FileMemory("length")
    length(path, memory)
    memory.save()
    (tmp_path / "link").symlink_to(path.parent)
    assert FileMemory("length").known(str(tmp_path / "link/a.txt")) == [3]


def test_of_files_that_are_read_together_each_counts(cache, path):
    other = path.with_name("b.txt")
    write(other, "two")
    memory = FileMemory("pair")
    for text, expected in (("two", 1), ("four", 2)):
        write(other, text)
        for _ in range(2):
            assert memory.of((str(path), str(other)), lambda: text) == text  # noqa: B023
        assert memory.read == expected


def test_a_file_that_has_just_changed_is_not_remembered_for_others(cache, path, monkeypatch):
    monkeypatch.setattr(file_memory, "SETTLE_SECONDS", 60.0)
    memory = FileMemory("length")
    length(path, memory)
    memory.save()
    assert FileMemory("length").known(str(path)) is None


def test_errors_are_not_remembered(cache, path):
    memory = FileMemory("length")

    def fail():
        raise ValueError("damaged")

    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            memory.of(str(path), fail)
    with pytest.raises(FileNotFoundError):
        length(path.with_name("missing"), memory)
    memory.save()
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("[3]", "[4]"),
        lambda text: text.replace('"folder": "', '"folder": "/other'),
        lambda text: text.replace('"version": 2', '"version": 0'),
        lambda text: "",
        lambda text: "[]\n{}",
        lambda text: "\udcff\ud800",
    ],
)
def test_a_damaged_or_foreign_cache_is_ignored(cache, path, damage):
    memory = FileMemory("length")
    length(path, memory)
    memory.save()
    (file,) = (cache / "files").iterdir()
    damaged = damage(file.read_text())
    assert damaged != file.read_text()
    file.write_bytes(damaged.encode("utf-8", "surrogatepass"))
    later = FileMemory("length")
    assert length(path, later) == [3] and later.read == 1
    later.save()
    assert FileMemory("length").known(str(path)) == [3]


def test_findings_of_other_readers_are_not_used(cache, path):
    memory = FileMemory("length", "1")
    length(path, memory)
    memory.save()
    assert FileMemory("length", "2").known(str(path)) is None
    assert FileMemory("words", "1").known(str(path)) is None


def test_what_processes_save_one_after_the_other_is_joined(cache, path):
    other = path.with_name("b.txt")
    write(other, "four")
    first, second = FileMemory("length"), FileMemory("length")
    length(path, first)
    length(other, second)
    first.save()
    second.save()
    later = FileMemory("length")
    assert later.known(str(path)) == [3] and later.known(str(other)) == [4]


def test_a_folder_that_cannot_be_written_is_no_error(path, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BESTIE_CACHE", str(tmp_path / "file/cache"))
    memory = FileMemory("length")
    assert length(path, memory) == [3]
    memory.save()


def test_threads_share_a_memory(cache, path):
    files = [path.with_name(f"{number}.txt") for number in range(50)]
    for number, file in enumerate(files):
        write(file, "x" * number)
    memory = FileMemory("length")
    threads = [
        threading.Thread(target=lambda part: [length(file, memory) for file in part], args=(part,))
        for part in (files[::2], files[1::2], files)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory.save()
    later = FileMemory("length")
    assert [later.known(str(file)) for file in files] == [[number] for number in range(50)]


def test_the_cache_lies_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BESTIE_CACHE", "/somewhere")
    assert str(cache_folder()) == "/somewhere"
    monkeypatch.delenv("BESTIE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bestie"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/bestie"


def test_the_file_says_what_it_is_about(cache, path):
    memory = FileMemory("length", "7")
    length(path, memory)
    memory.save()
    (file,) = (cache / "files").iterdir()
    head = json.loads(file.read_text().splitlines()[0])
    assert (head["kind"], head["folder"], head["maker"]) == ("length", str(path.parent), "7")
