"""What the writers share: options, outlines of objects, photos of a package."""

import os

import pytest

from bestie.formats import DataError
from bestie.formats.export.base import (
    ExportOptions,
    LabelledImage,
    LabelSet,
    Package,
    points_of,
    require_unique_stems,
)
from tests.formats.export.packages import (
    BOX,
    BOX_OUTLINE,
    EMPTY,
    RING,
    TWO_PARTS,
    label_set,
    object_of,
    package,
)


@pytest.mark.parametrize("values", [{"tolerance": -1}, {"tolerance": float("nan")}, {"masks": "x"}])
def test_options_out_of_range(values):
    with pytest.raises(ValueError, match="must lie in|are written as"):
        ExportOptions(**values)


def test_an_object_gives_its_mask_as_pixels_and_as_code():
    item = object_of(BOX)
    assert item.mask.astype(int).tolist() == [[int(letter) for letter in row] for row in BOX]
    assert item.rle["size"] == [4, 5]


def test_objects_of_all_images_are_counted(tmp_path):
    (image,) = label_set(tmp_path, [object_of(BOX), object_of(RING)]).images
    empty = LabelledImage("b.png", None, (4, 5), [])
    assert LabelSet(["cat"], [image, empty, image]).number == 4


def test_outlines_of_each_part(tmp_path):
    made = package(tmp_path)
    (box,) = made.polygons(object_of(BOX))
    assert list(points_of(box)) == BOX_OUTLINE
    assert [len(part) for part in made.polygons(object_of(TWO_PARTS))] == [8, 8]
    assert made.notes == {}


def test_what_a_polygon_cannot_hold_is_noted(tmp_path):
    made = package(tmp_path)
    assert len(made.polygons(object_of(RING))) == 1
    assert made.polygons(object_of(EMPTY)) == [] and made.one_polygon(object_of(EMPTY)) is None
    joined = made.one_polygon(object_of(TWO_PARTS))
    assert {(0.25, 0.25), (4.75, 0.75)} <= set(points_of(joined))
    assert made.notes == {
        "objects have holes: cut in along a line of no width": 1,
        "objects without a pixel were left out": 2,
        "objects have several parts: joined by lines of no width": 1,
    }


def test_links_of_photos_hold_at_the_final_place(tmp_path):
    """A package is filled beside its place and moved there."""
    (image,) = label_set(tmp_path, [], name="day 1/a.png").images
    build = tmp_path / "deep/er/.build"
    build.mkdir(parents=True)
    made = Package(build, tmp_path / "out", ExportOptions())
    made.put_photo(image, "images/day 1/a.png")
    link = build / "images/day 1/a.png"
    assert os.readlink(link) == "../../../photos/day 1/a.png"
    build.rename(tmp_path / "out")
    assert (tmp_path / "out/images/day 1/a.png").read_bytes() == b"photo"


def test_a_link_starts_at_the_real_place_of_the_package(tmp_path):
    """The folder around the package may be a link to somewhere else."""
    (image,) = label_set(tmp_path, []).images
    (tmp_path / "disk/2/exports").mkdir(parents=True)
    (tmp_path / "exports").symlink_to("disk/2/exports")
    made = Package(tmp_path / "exports/out", tmp_path / "exports/out", ExportOptions())
    made.put_photo(image, "a.png")
    assert (tmp_path / "exports/out/a.png").read_bytes() == b"photo"


def test_copied_photos_do_not_need_the_originals(tmp_path):
    (image,) = label_set(tmp_path, []).images
    made = package(tmp_path, copy=True)
    made.put_photo(image, "a.png")
    image.path.unlink()
    assert (tmp_path / "out/a.png").read_bytes() == b"photo"


def test_text_is_written_as_utf_8(tmp_path):
    package(tmp_path).write_text("labels/犬.txt", "é\n")
    assert (tmp_path / "out/labels/犬.txt").read_bytes() == "é\n".encode()


@pytest.mark.parametrize(
    ("names", "clash"),
    [
        (["a.png", "b.png", "day1/a.png"], None),
        (["a.tar.png", "a.png"], None),
        (["a.png", "b.png", "a.jpg"], "'a.png' and 'a.jpg' would share one label file"),
        (["x/a.png", "X/A.png"], "'x/a.png' and 'X/A.png' would share one"),
    ],
)
def test_images_that_would_share_a_file_are_refused(names, clash):
    images = [LabelledImage(name, None, (4, 5), []) for name in names]
    if clash is None:
        require_unique_stems(images, "label file")
        return
    with pytest.raises(DataError, match=clash):
        require_unique_stems(images, "label file")


def test_points_are_pairs():
    assert list(points_of([1, 2, 3, 4])) == [(1, 2), (3, 4)]
    with pytest.raises(ValueError):
        list(points_of([1, 2, 3]))
