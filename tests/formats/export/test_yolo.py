"""YOLO segmentation: lines of class and shares, one per object."""

import pytest
import yaml

from bestie.formats import DataError
from bestie.formats.export.base import LabelledImage, LabelSet
from bestie.formats.export.yolo import write_yolo
from tests.formats.export.packages import BOX, EMPTY, TWO_PARTS, label_set, object_of, package


def test_a_line_is_a_class_and_shares_of_width_and_height(tmp_path):
    made = package(tmp_path)
    write_yolo(label_set(tmp_path, [object_of(BOX, 1), object_of(EMPTY)], "day1/a.png"), made)
    # (1.25, 1.25) of an image that is 5 wide and 4 high, and so on.
    corners = "0.2500000 0.3125000 0.2500000 0.6875000 0.5500000 0.6875000 0.5500000 0.3125000"
    assert (tmp_path / "out/labels/day1/a.txt").read_text() == f"1 {corners}\n"
    assert (tmp_path / "out/images/day1/a.png").read_bytes() == b"photo"
    assert made.notes == {"objects without a pixel were left out": 1}


def test_an_object_of_several_parts_is_one_line(tmp_path):
    made = package(tmp_path)
    write_yolo(label_set(tmp_path, [object_of(TWO_PARTS), object_of(BOX)]), made)
    assert len((tmp_path / "out/labels/a.txt").read_text().splitlines()) == 2
    assert made.notes == {"objects have several parts: joined by lines of no width": 1}


def test_an_image_without_objects_has_an_empty_file(tmp_path):
    write_yolo(label_set(tmp_path, []), package(tmp_path))
    assert (tmp_path / "out/labels/a.txt").read_text() == ""


def test_the_yaml_names_folders_and_classes_in_their_order(tmp_path):
    names = ("no", "犬: a", "1")  # which YAML would read as something else without quotes
    write_yolo(label_set(tmp_path, [], classes=names), package(tmp_path))
    content = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert content["names"] == dict(enumerate(names))
    assert content["train"] == content["val"] == "images"


def test_images_that_would_share_a_file_of_labels_are_refused(tmp_path):
    images = [LabelledImage(name, None, (4, 5), []) for name in ("a.png", "a.jpg")]
    with pytest.raises(DataError, match=r"share one file of labels \(labels/NAME.txt\)"):
        write_yolo(LabelSet(["cat"], images), package(tmp_path))


def test_a_folder_named_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="'images/a.png' lies in a folder named images"):
        write_yolo(label_set(tmp_path, [], "images/a.png"), package(tmp_path))
