from bestie.formats import file_memory
from bestie.pipeline import fingerprint
from bestie.pipeline.fingerprint import FileHashes, count_outputs, digest_of, record_outputs


def test_equal_content_has_an_equal_digest_whatever_the_order():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_files_are_hashed_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("one")
    monkeypatch.setattr(file_memory, "SETTLE_SECONDS", -60.0)  # as if it had been written long ago
    hashes = FileHashes()
    first = hashes.of(path)
    hashes.save()
    calls = []
    real = fingerprint.hash_file
    monkeypatch.setattr(fingerprint, "hash_file", lambda p: calls.append(p) or real(p))
    again = FileHashes()
    assert again.of(path) == first and not calls
    path.write_text("two")
    assert again.of(path) != first and len(calls) == 1


def test_a_missing_file_has_no_digest(tmp_path):
    hashes = FileHashes()
    assert hashes.of(tmp_path / "nothing") is None
    assert hashes.table({"a": None, "b": str(tmp_path / "nothing")}) == {"a": None, "b": None}


def test_outputs_are_recorded_by_pattern(tmp_path):
    (tmp_path / "cues").mkdir()
    for name in "ab":
        (tmp_path / f"cues/{name}.txt").write_text(name)
    before = record_outputs(tmp_path, ["cues/*.txt", "maps/*.png"])
    assert before["cues/*.txt"]["files"] == before["cues/*.txt"]["size"] == 2
    assert before["maps/*.png"]["files"] == 0
    (tmp_path / "cues/a.txt").rename(tmp_path / "cues/c.txt")
    assert record_outputs(tmp_path, ["cues/*.txt"])["cues/*.txt"] != before["cues/*.txt"]
    assert count_outputs(tmp_path, "cues/*.txt") == 2
