"""Pascal VOC's XML: by hand after the development kit, and as supervision and datumaro write it."""

import numpy as np
import pytest

from tests.formats.labels.reading import box_mask, drawn, mistakes, read

OBJECT = """<object><name>cat</name><pose>Left</pose><difficult>0</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>{}</object>"""
BOX = OBJECT.format(2, 3, 11, 8, "")


@pytest.fixture
def write(tmp_path):
    def write(*objects, name="a.jpg"):
        path = tmp_path / "a.xml"
        size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
        head = f"<annotation><folder>x</folder><filename>{name}</filename>{size}\n"
        path.write_text(head + "\n".join(objects) + "</annotation>")
        return path

    return write


def test_a_box_is_a_tag_or_its_middle(write):
    assert read(write(BOX)) == [("a.jpg", ("cat",), "object", None)]
    # Pixels 1 to 10 and 2 to 7: the middle lies on edges of pixels.
    assert read(write(BOX), boxes_as_clicks=True) == [("a.jpg", ("cat",), "click", (6, 5))]
    point = OBJECT.format(2, 3, 11, 8, "<point><x>4</x><y>5</y></point>")
    assert read(write(point)) == [("a.jpg", ("cat",), "click", (3, 4))]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (BOX.replace("cat", ""), "has no label: class name is empty"),
        (BOX.replace("bndbox", "box"), "has no bndbox, polygon or point"),
        (OBJECT.format(9, 3, 1, 8, ""), "a bndbox that is not xmin, ymin, xmax, ymax"),
        (OBJECT.format(1, "x", 5, 8, ""), "a bndbox that is not xmin"),
        (OBJECT.format(1, 2, 5, 8, "<polygon><x1>1</x1><y1>2</y1></polygon>"), "polygon that is"),
        (BOX * 2 + "<object>", "not well-formed"),
    ],
)
def test_objects_that_are_refused(write, wrong, message):
    (found,) = mistakes(write(BOX, wrong), "voc")
    assert "line 4" in found or "line 3" in found or "line 6" in found
    assert message in found


def test_the_xml_of_another_image_is_refused(write):
    assert "is about 'b.jpg', but its own name is another" in mistakes(write(BOX, name="b.jpg"))[0]


def test_files_of_supervision(tmp_path):
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    mask = box_mask(30, 40, 5, 6, 15, 12)
    detections = sv.Detections(
        xyxy=np.array([[5, 6, 15, 12.0]]), mask=mask[None], class_id=np.array([1])
    )
    image = np.zeros((30, 40, 3), np.uint8)
    images = {str(tmp_path / "a.jpg"): image}
    import cv2

    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    dataset = sv.DetectionDataset(
        ["cat", "dog"], images=list(images), annotations={str(tmp_path / "a.jpg"): detections}
    )
    dataset.as_pascal_voc(annotations_directory_path=str(tmp_path / "xml"))
    path = tmp_path / "xml" / "a.xml"
    ((name, found),) = drawn(path, 30, 40)
    assert name == "dog"
    # supervision's outlines pass through the middles of the outer pixels.
    assert not (found & ~mask).any() and found.sum() >= 9 * 5
    assert read(path, boxes_as_clicks=True, objects_as="clicks") == [
        ("a.jpg", ("dog",), "click", (10, 9))
    ]


def test_files_of_datumaro(tmp_path):
    dm = pytest.importorskip("datumaro", reason="datumaro is not installed")
    media = dm.Image.from_numpy(np.zeros((30, 40, 3)))
    item = dm.DatasetItem(id="a", annotations=[dm.Bbox(4, 5, 10, 6, label=0)], media=media)
    dataset = dm.Dataset.from_iterable([item], categories=["cat"])
    dataset.export(str(tmp_path / "out"), "voc_detection", save_media=False)
    (path,) = (tmp_path / "out").rglob("*.xml")
    ((image, names, kind, _),) = read(path)
    assert (image.split(".")[0], names, kind) == ("a", ("cat",), "object")
