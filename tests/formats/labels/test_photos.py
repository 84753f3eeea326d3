"""Which photo a name means: the one that fits, or none."""

from pathlib import Path

import pytest

from bestie.formats.labels.base import Row
from bestie.formats.labels.photos import PhotoFinder

PHOTOS = ("s1/a.png", "s1/b.png", "s2/b.png", "c.png")


@pytest.fixture
def folder(tmp_path):
    """Photos are found by their names, their content does not matter."""
    for name in PHOTOS:
        add(tmp_path / "photos" / name)
    return tmp_path / "photos"


def add(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def row(name: str, *beside: Path) -> Row:
    return Row(name, ("cat",), None, Path("labels.csv"), beside=beside)


def find(folder, name):
    """Path under the folder, or the message."""
    found = PhotoFinder(folder).find(row(name))
    return found.relative_to(folder).as_posix() if isinstance(found, Path) else found


@pytest.mark.parametrize(
    "name",
    [
        *("s1/a.png", "s1\\a.png", "./s1/a", "s1//a.png", "photos/s1/a.png", "C:\\x\\s1\\a.png"),
        *("a.png", "a", "../s1/a.png", "/data/old/photos/s1/a.png"),
    ],
)
def test_names_of_one_photo(folder, name):
    assert find(folder, name) == "s1/a.png"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b.png", "image 'b.png' stands for several: s1/b.png, s2/b.png; write the folder, too"),
        ("b", "stands for several"),
        ("s3/c.png", "but c.png: the folders of the name must be those of the image"),
        ("s2/a.png", "but s1/a.png: the folders of the name"),
        ("C.PNG", "but c.png (another case)"),
        ("c.jpg", "but c.png (another suffix)"),
        ("d.heic", "its suffix '.heic' is not accepted (.jpg, .png"),
        ("d", "but d.heic: its suffix '.heic' is not accepted"),
        ("e.heic", "photos: its suffix '.heic' is not accepted"),
        ("none.png", "image 'none.png' is not in "),
        ("", "image '' is not the name of a file"),
        ("../..", "image '../..' is not the name of a file"),
    ],
)
def test_names_that_fit_no_photo_or_several(folder, name, message):
    add(folder / "d.heic")
    add(folder / "s1/e.heic")
    assert message in find(folder, name)


def test_a_whole_path_wins_in_a_table_in_a_folder_of_that_name(folder):
    """In a file about one image either of them may be meant."""
    add(folder / "s1/c.png")
    finder = PhotoFinder(folder)
    table = Row("c.png", ("cat",), None, Path("s1/labels.csv"), line=2)
    assert finder.find(table) == folder / "c.png"
    assert "stands for several: c.png, s1/c.png" in finder.find(
        Row("c.png", ("cat",), None, Path("s1/c.xml"))
    )
    assert finder.find(Row("b.png", ("cat",), None, Path("s2/b.xml"))) == folder / "s2/b.png"


def test_a_message_about_nothing_alike_names_the_folder_only(folder):
    assert find(folder, "none.png") == f"image 'none.png' is not in {folder}"


def test_a_name_with_its_suffix_wins_over_one_without(folder):
    add(folder / "c.jpg")
    assert find(folder, "c.png") == "c.png" and find(folder, "c.jpg") == "c.jpg"
    assert "stands for several: c.jpg, c.png" in find(folder, "c")


def test_a_whole_path_wins_over_the_end_of_one(folder):
    add(folder / "s1/c.png")
    assert find(folder, "c.png") == "c.png" and find(folder, "s1/c.png") == "s1/c.png"
    add(folder / "c.png.jpg")
    assert find(folder, "c.png") == "c.png"


@pytest.mark.parametrize(("on_disk", "named"), [("é.png", "e\u0301.png"), ("e\u0301.png", "é.png")])
def test_names_are_compared_in_one_unicode_form(folder, on_disk, named):
    add(folder / on_disk)
    assert find(folder, named) == on_disk


def test_a_photo_beside_its_labels_wins_over_its_name(folder, tmp_path):
    finder = PhotoFinder(folder)
    assert finder.find(row("b.png", folder / "s2/b.png")) == folder / "s2/b.png"
    # A photo that is not in the folder says nothing.
    add(tmp_path / "elsewhere/b.png")
    assert "stands for several" in finder.find(row("b.png", tmp_path / "elsewhere/b.png"))
    assert finder.find(row("x.png", tmp_path / "no.png", folder / "c.png")) == folder / "c.png"


def test_labels_of_two_folders_do_not_share_a_photo(folder):
    finder = PhotoFinder(folder)
    assert finder.find(row("x/s1/a.png")) == folder / "s1/a.png"
    assert finder.find(row("s1/a.png")) == folder / "s1/a.png"
    found = finder.find(row("y/s1/a.png"))
    assert found == "image 'y/s1/a.png' and one in 'x/s1' both stand for s1/a.png"


def test_folders_that_are_links_are_searched_without_end_only_once(folder):
    (folder / "s1/up").symlink_to(folder)
    (folder / "s3").symlink_to(folder / "s2")
    assert find(folder, "s3/b.png") == "s3/b.png"
    assert find(folder, "c.png") == "c.png"


def test_notes_of_macos_are_no_photos(folder):
    add(folder / "._n.png")
    assert "is not in" in find(folder, "._n.png")


def test_the_name_of_an_upload_wins_over_that_of_its_file(folder):
    upload = "/data/upload/1/1a2b3c4d-c.png"
    assert find(folder, upload) == "c.png"
    add(folder / "1a2b3c4d-c.png")
    assert find(folder, upload) == "1a2b3c4d-c.png"
    assert find(folder, "/data/upload/5e6f7a8b-c.png") == "c.png"
    missing = find(folder, "/data/upload/1/1a2b3c4d-z.png")
    assert "image '1a2b3c4d-z.png' is not in " in missing
    # Without the folder of Label Studio the digits belong to the name.
    assert "is not in" in find(folder, "5e6f7a8b-c.png")


@pytest.mark.parametrize("other", ["c.png", "/data/upload/1/5e6f7a8b-c.png"])
def test_two_names_of_uploads_do_not_mean_one_photo(folder, other):
    names = ["/data/upload/1/1a2b3c4d-c.png", other]
    for first, second in (names, names[::-1]):
        finder = PhotoFinder(folder)
        assert finder.find(row(first)) == finder.find(row(first)) == folder / "c.png"
        message = finder.find(row(second))
        assert message == f"images '{second}' and '{first}' both stand for c.png"
