"""Every format holds every mask, and nothing is overwritten."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.formats import DataError
from bestie.formats.export.base import ExportOptions
from bestie.formats.export.registry import FORMATS, write_labels
from bestie.formats.export.source import Selection, read_label_set
from tests.formats.export.scenes import CLASSES, READERS, write_scene
from tests.formats.random_masks import masks

SIZES = {
    "plain.png": (9, 12),
    "day1/a.png": (8, 8),
    "day2/a.png": (14, 5),
    "Übersicht Nr 1.png": (6, 18),
    "猫/x (2) & y.png": (7, 7),
}


def box(size, top, left, bottom, right):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def ring(size):
    """A frame and a part beside it."""
    mask = box(size, 1, 1, 6, 6)
    mask[3, 3] = False
    mask[0, -1] = True
    return mask


def scene(folder):
    images = {
        "plain.png": [(ring((9, 12)), 0, 0.5), (box((9, 12), 7, 8, 9, 12), 2, 0.25)],
        "day1/a.png": [(box((8, 8), 0, 0, 8, 8), 1, 1.0)],
        "day2/a.png": [],
        "Übersicht Nr 1.png": [(box((6, 18), 2, 3, 3, 17), 1, 0.75)],
        "猫/x (2) & y.png": [(box((7, 7), 6, 6, 7, 7), 2, 0.0)],
    }
    return write_scene(folder, images, SIZES), images


def export(folder, format, labels=None, options=None, overwrite=False, **selection):
    output = folder / ("out.json" if format == "coco" else "out")
    with_photos = format != "coco"
    data = folder / "photos" if with_photos else None
    source = labels or folder / "labels.json"
    label_set = read_label_set(source, data, "train", Selection(**selection), with_photos)
    notes = write_labels(label_set, format, output, options, overwrite)
    return output, notes


def same(found, expected):
    """Whether the objects are the same ones, in any order."""
    assert found.keys() == expected.keys()
    for name, objects in expected.items():
        wanted = sorted((CLASSES[c], mask.tolist()) for mask, c, _ in objects)
        assert sorted((label, mask.tolist()) for label, mask in found[name]) == wanted, name


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_names_classes_sizes_and_empty_images(tmp_path, format):
    _, expected = scene(tmp_path)
    output, _ = export(tmp_path, format)
    same(READERS[format](output, tmp_path / "photos"), expected)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=25)
@given(masks(), st.data())
def test_every_format_holds_any_masks(format, mask, data):
    others = data.draw(st.lists(masks(mask.shape), max_size=2))
    if format == "masks":
        others = []  # pixels belong to one object there
    objects = [(m, i, None) for i, m in enumerate([mask, *others])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(folder, {"a.png": objects}, {"a.png": mask.shape})
        output, _ = export(folder, format)
        same(READERS[format](output, folder / "photos"), {"a.png": objects})


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_overwritten_unless_asked_for(tmp_path, format):
    scene(tmp_path)
    output, _ = export(tmp_path, format)
    before = contents(output)
    with pytest.raises(DataError, match="exists already"):
        export(tmp_path, format)
    assert contents(output) == before
    if format != "coco":
        (output / "notes.txt").write_text("of the user")
    (tmp_path / "some.txt").write_text("plain\n")
    export(tmp_path, format, overwrite=True, images=tmp_path / "some.txt")
    after = contents(output)
    assert after != before
    if format != "coco":
        assert after[output / "notes.txt"] == b"of the user"
    assert not list(tmp_path.glob(".out*"))


def contents(output):
    files = [output] if output.is_file() else [p for p in output.rglob("*") if p.is_file()]
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("format", [f for f in FORMATS if f != "coco"])
def test_photos_are_linked_or_copied(tmp_path, format):
    scene(tmp_path)
    output, _ = export(tmp_path, format)
    photos = [path for path in output.rglob("*.png") if path.is_symlink()]
    assert len(photos) == len(SIZES)
    assert all(path.is_file() and not os.path.isabs(os.readlink(path)) for path in photos)
    output.rename(tmp_path / "linked")
    output, _ = export(tmp_path, format, options=ExportOptions(copy=True))
    assert not any(path.is_symlink() for path in output.rglob("*"))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize(("format", "place"), [("labelme", "."), ("yolo", ".."), ("cvat", "..")])
def test_a_package_may_be_made_where_the_photos_are(tmp_path, format, place, copy):
    """The photos are never replaced, least of all by links to themselves."""
    scene(tmp_path)
    photos = tmp_path / "package/images"
    photos.parent.mkdir()
    (tmp_path / "photos").rename(photos)
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    for output in (photos / place, tmp_path / "link"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to((photos / place).resolve())
        labels = read_label_set(tmp_path / "labels.json", photos, "train", Selection(), True)
        write_labels(labels, format, output, ExportOptions(copy=copy), overwrite=True)
        assert not any(path.is_symlink() for path in photos.rglob("*"))
        assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_failure_leaves_nothing(tmp_path, format, monkeypatch):
    scene(tmp_path)

    def broken(*args):
        raise OSError("disk full")

    monkeypatch.setattr("bestie.formats.base.os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        export(tmp_path, format)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.json", "photos"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_object_without_a_pixel_is_counted(tmp_path, format):
    empty = np.zeros((4, 4), bool)
    objects = [(empty, 0, None), (~empty, 1, None)]
    write_scene(tmp_path, {"a.png": objects}, {"a.png": (4, 4)})
    output, notes = export(tmp_path, format)
    same(READERS[format](output, tmp_path / "photos"), {"a.png": objects[1:]})
    assert sum(notes.values()) == 1 and "left out" in next(iter(notes))


@pytest.mark.parametrize("format", ["labelme", "yolo"])
def test_names_that_differ_in_their_suffix_only_are_refused(tmp_path, format):
    images = {"a.png": [], "A.bmp": []}
    write_scene(tmp_path, images, dict.fromkeys(images, (4, 4)))
    with pytest.raises(DataError, match="'a.png' and 'A.bmp' would share one"):
        export(tmp_path, format)
    assert not (tmp_path / "out").exists()


def test_output_has_the_kind_that_the_format_needs(tmp_path):
    labels, _ = scene(tmp_path)
    label_set = read_label_set(labels, None, "train", Selection(), False)
    with pytest.raises(DataError, match="must be a .json file"):
        write_labels(label_set, "coco", tmp_path / "folder")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="must be a folder"):
        write_labels(label_set, "yolo", tmp_path / "file", overwrite=True)
