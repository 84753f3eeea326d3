"""ImageJ's ROIs, written by roifile and, byte by byte, by hand."""

import struct
import sys
import zipfile

import numpy as np
import pytest

from tests.formats.labels.reading import box_mask, drawn, mistakes, read

roifile = pytest.importorskip("roifile", reason="roifile is not installed")
KINDS = roifile.ROI_TYPE


def roi(kind, points=None, name="cat", **fields):
    if points is None:
        made = roifile.ImagejRoi(roitype=kind, name=name, **fields)
    else:
        made = roifile.ImagejRoi.frompoints(np.array(points), name=name)
        made.roitype = kind
    return made


@pytest.fixture
def write(tmp_path):
    def write(*rois, file="a_RoiSet.zip"):
        path = tmp_path / file
        path.unlink(missing_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for number, made in enumerate(rois):
                content = made if isinstance(made, bytes) else made.tobytes()
                archive.writestr(f"{getattr(made, 'name', '') or number}.roi", content)
        return path

    return write


def by_hand(kind, left, top, right, bottom, points=(), name=b""):
    """The bytes of a ROI of integer coordinates.

    After ij/io/RoiDecoder.java: "Iout", version, type, top, left, bottom, right, number of points
    (big-endian, 16 bits), zeros up to byte 64, then all x and all y relative to left and top.
    """
    head = b"Iout" + struct.pack(">hBxhhhhH", 217, kind, top, left, bottom, right, len(points))
    xs, ys = zip(*points, strict=True) if points else ((), ())
    offsets = [x - left for x in xs] + [y - top for y in ys]
    return head.ljust(64, b"\0") + struct.pack(f">{len(offsets)}h", *offsets)


def test_each_roi_becomes_what_the_docs_say(write):
    clicks = [("a", ("cat",), "click", (3, 4)), ("a", ("cat",), "click", (10, 6))]
    assert read(write(roi(KINDS.POINT, [[3, 4], [10, 6]]))) == clicks
    half = roi(KINDS.POINT, np.array([[3.5, 4.25]], np.float32))
    assert read(write(half)) == [("a", ("cat",), "click", (3.5, 4.25))]
    square = [[2, 3], [8, 3], [8, 9], [2, 9]]
    ((name, mask),) = drawn(write(roi(KINDS.POLYGON, square)), 20, 20)
    assert name == "cat"
    np.testing.assert_array_equal(mask, box_mask(20, 20, 2, 3, 8, 9))
    box = roi(KINDS.RECT, left=2, top=3, right=8, bottom=9)
    assert read(write(box)) == [("a", ("cat",), "object", None)]
    assert read(write(box), boxes_as_clicks=True)[0][3] == (5, 6)
    ((_, mask),) = drawn(write(roi(KINDS.OVAL, left=2, top=3, right=14, bottom=11)), 20, 20)
    assert abs(mask.sum() - np.pi * 24) < 4


def test_rois_byte_by_byte(write):
    points = by_hand(10, 3, 4, 11, 7, [(3, 4), (10, 6)])
    found = read(write(points), class_name="cell")
    assert found == [("a", ("cell",), "click", (3, 4)), ("a", ("cell",), "click", (10, 6))]
    square = by_hand(0, 2, 3, 8, 9, [(2, 3), (8, 3), (8, 9), (2, 9)])
    ((_, mask),) = drawn(write(square), 20, 20, class_name="cell")
    np.testing.assert_array_equal(mask, box_mask(20, 20, 2, 3, 8, 9))


def test_a_composite_has_holes(write):
    paths = [[(1, 1), (9, 1), (9, 9), (1, 9)], [(3, 3), (5, 3), (5, 5), (3, 5)]]
    path = []
    for ring in paths:
        for number, (x, y) in enumerate(ring):
            path += [0.0 if number == 0 else 1.0, x, y]
        path += [4.0]
    fields = {"left": 1, "top": 1, "right": 9, "bottom": 9}
    made = roi(KINDS.RECT, **fields, multi_coordinates=np.array(path, np.float32))
    made.shape_roi_size = len(path)
    ((_, mask),) = drawn(write(made), 20, 20)
    expected = box_mask(20, 20, 1, 1, 9, 9) & ~box_mask(20, 20, 3, 3, 5, 5)
    np.testing.assert_array_equal(mask, expected)


def test_the_class_is_the_name_or_given(write):
    def named(*names):
        return write(*(roi(KINDS.POINT, [[3, 4]], name=name) for name in names))

    assert [f[1] for f in read(named("cell", "cell-1", "dot"))] == [("cell",), ("cell",), ("dot",)]
    path = named("0012-0034", "0013-0020")
    assert "names no class; --class NAME" in mistakes(path)[0]
    assert [f[1] for f in read(path, class_name="cell")] == [("cell",)] * 2
    path = named("type-1", "type-2")
    assert "could be of the class 'type', as type-1, type-2" in mistakes(path)[0]


def test_what_is_refused(write, tmp_path):
    line = roi(KINDS.LINE, x1=1, y1=1, x2=5, y2=5)
    assert "is a LINE; points, outlines" in mistakes(write(line))[0]
    slice_3 = roi(KINDS.POINT, [[3, 4]])
    slice_3.position = 3
    assert "another slice of a stack" in mistakes(write(slice_3))[0]
    counted = roi(KINDS.POINT, [[3, 4], [5, 6]])
    counted.counters = np.array([0, 2], np.uint8)
    counted.counter_positions = np.zeros(2, np.uint32)
    assert "points of several counters" in mistakes(write(counted))[0]
    assert "does not name its image" in mistakes(write(line, file="RoiSet.zip"))[0]
    assert "is not a ROI of ImageJ" in mistakes(write(b"hello"))[0]
    (tmp_path / "b.zip").write_bytes(b"PK no zip")
    assert "cannot be read" in mistakes(tmp_path / "b.zip")[0]


def test_a_missing_library_is_named(write, monkeypatch):
    path = write(roi(KINDS.POINT, [[3, 4]]))
    monkeypatch.setitem(sys.modules, "roifile", None)
    assert 'pip install "bestie[imagej]"' in mistakes(path)[0]
