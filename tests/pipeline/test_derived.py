"""Roots made from another root."""

import numpy as np

from bestie.formats import DatasetFolder, Points
from bestie.pipeline.derived import link_root, link_root_to_split, root_with_tags_of_clicks


def test_links_leave_out_what_they_are_told_and_can_be_made_twice(tmp_path):
    root = tmp_path / "root"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "classes.txt").write_text("cat\n")
    for _ in range(2):
        link_root(root, tmp_path / "new", without=("classes.txt",))
    (link,) = (tmp_path / "new").iterdir()
    assert link.is_symlink() and link.resolve() == root / "JPEGImages"


def test_tags_are_the_classes_of_the_clicks(tmp_path):
    folder = DatasetFolder(tmp_path / "root")
    folder.write_class_names(["cat", "dog"])
    folder.write_split("train", ["a", "b", "c"])
    folder.write_split("val", ["a"])
    for image_id, classes in (("a", [1, 0, 1]), ("b", [])):
        points = Points(np.zeros((len(classes), 2)), np.array(classes, int), np.ones(len(classes)))
        folder.write_points(image_id, points)
    clicks = tmp_path / "root/Center_points"
    root_with_tags_of_clicks(tmp_path / "root", clicks, tmp_path / "new")
    new = DatasetFolder(tmp_path / "new")
    assert new.read_tags() == {"a": [0, 1], "b": []}  # of c nothing is known
    assert new.read_split("val") == ["a"]
    assert not (tmp_path / "root/image_labels.txt").exists()


def test_splits_and_clicks_can_be_added_without_touching_the_root(tmp_path):
    folder = DatasetFolder(tmp_path / "root")
    folder.write_split("train", ["a"])
    folder.write_points("a", Points(np.zeros((1, 2)), np.zeros(1, int), np.ones(1)))
    for _ in range(2):
        link_root_to_split(tmp_path / "root", tmp_path / "new")
    new = DatasetFolder(tmp_path / "new")
    new.write_split("train", ["b"])
    new.write_split("train_s", ["a"])
    new.write_points("a", Points(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0)))
    assert folder.read_split("train") == ["a"] and new.read_split("train") == ["b"]
    assert (tmp_path / "root/Center_points/a.txt").read_text() and len(new.read_split("train_s"))
    assert not (tmp_path / "root/ImageSets/Segmentation/train_s.txt").exists()
