import numpy as np
import pytest

from bestie import formats
from bestie.formats import DatasetFolder, list_splits, read_image_labels, read_split
from bestie.formats.dataset_folder import require_files


def test_what_is_written_is_read_again(tmp_path):
    folder = DatasetFolder(tmp_path / "root")
    folder.write_class_names(["cat", "dog"])
    folder.write_split("train", ["b", "a"])
    folder.add_tags({"a": {1}, "b": {0, 1}})
    assert list_splits(folder.root) == ["train"]
    assert read_split(folder.root, "train") == ["b", "a"]
    assert read_image_labels(folder.root, ["cat", "dog"]) == {"a": [1], "b": [0, 1]}
    assert folder.has_tags and not DatasetFolder(tmp_path).has_tags


def test_added_tags_leave_known_ones_unless_told_otherwise(tmp_path):
    DatasetFolder(tmp_path).write_class_names(["a", "b", "c"])
    DatasetFolder(tmp_path).add_tags({"one": {2, 0}})
    DatasetFolder(tmp_path).add_tags({"one": {1}, "none": set()})
    assert (tmp_path / "image_labels.txt").read_text() == "none\none 0 2\n"
    DatasetFolder(tmp_path).add_tags({"one": {1}}, overwrite=True)
    assert formats.read_image_labels(tmp_path, ["a", "b", "c"]) == {"none": [], "one": [1]}


def test_other_class_names_in_the_root_are_an_error(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    DatasetFolder(tmp_path).write_class_names(["cat", "dog"])
    with pytest.raises(formats.DataError, match="classes.txt.*other classes than dog, cat"):
        DatasetFolder(tmp_path).write_class_names(["dog", "cat"])


def test_all_missing_files_are_counted_and_the_first_named(tmp_path):
    (tmp_path / "there").touch()
    names = ["there", *(f"f{i}" for i in range(12))]
    with pytest.raises(formats.DataError, match=r"12 file\(s\) missing: f0, .*f9, \.\.\.\. Get it"):
        require_files(tmp_path, names, "Get it")


@pytest.mark.parametrize("names", [["a\nb"], ["a", "a"], [" a"], [""], [], ["c"] * 300])
def test_class_names_that_cannot_be_read_again_are_refused(tmp_path, names):
    with pytest.raises(formats.DataError, match="class name"):
        DatasetFolder(tmp_path).write_class_names(names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image_id", ["d/a", "a b", "", "..", "a\n"])
def test_ids_that_cannot_be_read_again_are_refused(tmp_path, image_id):
    folder = DatasetFolder(tmp_path)
    no_points = formats.Points(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0, np.float32))
    for write in (
        lambda: folder.write_split("train", ["x", image_id]),
        lambda: folder.write_split("train", ["x", "x"]),
        lambda: folder.add_tags({image_id: [0]}),
        lambda: folder.write_points(image_id, no_points),
    ):
        with pytest.raises(formats.DataError, match="id '"):
            write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("yx", "class_id", "score"),
    [
        ((-1, 0), 0, 1),
        ((0, float("nan")), 0, 1),
        ((0, 0), 2, 1),
        ((0, 0), -1, 1),
        ((0, 0), 0, 1.5),
        ((0, 0), 0, float("nan")),
    ],
)
def test_points_that_cannot_be_read_again_are_refused(tmp_path, yx, class_id, score):
    folder = DatasetFolder(tmp_path)
    folder.write_class_names(["cat", "dog"])
    points = formats.Points(np.array([yx], float), np.array([class_id]), np.array([score]))
    with pytest.raises(formats.DataError, match="class"):
        folder.write_points("a", points)
    assert [path.name for path in tmp_path.iterdir()] == ["classes.txt"]


def test_tags_of_classes_that_are_not_there_are_refused(tmp_path):
    folder = DatasetFolder(tmp_path)
    folder.write_class_names(["cat", "dog"])
    for classes in ([2], [-1], [0.5]):
        with pytest.raises(formats.DataError, match="image 'a': class .*; 0 to 1 are expected"):
            folder.add_tags({"a": classes})
