import json

import numpy as np
import pytest
from PIL import Image

from bestie.formats import DataError, DatasetFolder
from bestie.formats.export.registry import write_labels
from bestie.formats.export.source import Selection, read_label_set
from tests.formats.export.scenes import CLASSES, write_scene

SQUARE = np.ones((4, 4), bool)
DOT = np.pad(np.ones((1, 1), bool), (0, 3))


def scene(tmp_path, names=("a.png", "day1/b.png", "day2/b.png")):
    images = {name: [(SQUARE, 0, 0.9), (DOT, 1, 0.2)] for name in names}
    return write_scene(tmp_path, images, dict.fromkeys(names, (4, 4)))


def read(labels, data=None, split="train", with_photos=False, **selection):
    return read_label_set(labels, data, split, Selection(**selection), with_photos)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_photos_are_found_in_a_root_or_in_any_folder(tmp_path):
    labels = scene(tmp_path)
    plain = read(labels, tmp_path / "photos", with_photos=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/JPEGImages").symlink_to("../photos")
    of_root = read(labels, tmp_path / "root", with_photos=True)
    for found in (plain, of_root):
        assert [image.name for image in found.images] == ["a.png", "day1/b.png", "day2/b.png"]
        assert all(image.path.samefile(tmp_path / "photos" / image.name) for image in found.images)
    assert plain.class_names == CLASSES


def test_photos_that_are_missing_or_of_another_size_are_reported_all_at_once(tmp_path):
    labels = scene(tmp_path)
    (tmp_path / "photos/a.png").unlink()
    Image.new("RGB", (4, 5)).save(tmp_path / "photos/day1/b.png")
    with pytest.raises(DataError) as caught:
        read(labels, tmp_path / "photos", with_photos=True)
    assert "2 error(s)" in str(caught.value) and "'a.png' is not in" in str(caught.value)
    assert "has 5 x 4 pixels (height x width), but was labelled at 4 x 4" in str(caught.value)


def test_selection_counts_what_it_leaves_out(tmp_path):
    labels = scene(tmp_path, ["a.png"])
    edit(labels, lambda content: content["annotations"][0].update(iscrowd=1))
    for values, why in [
        ({}, {"crowd regions": 1}),
        ({"score_threshold": 0.5}, {"crowd regions": 1, "objects under the score 0.5": 1}),
        ({"min_area": 2}, {"crowd regions": 1, "objects under 2 pixels": 1}),
    ]:
        selection = Selection(**values)
        read_label_set(labels, None, "train", selection, False)
        assert selection.left_out == why


def test_what_is_left_out_is_counted_in_the_chosen_images_only(tmp_path):
    labels, names = scene(tmp_path), tmp_path / "names.txt"
    names.write_text("a\n")
    selection = Selection(images=names, score_threshold=0.5)
    (image,) = read_label_set(labels, None, "train", selection, False).images
    assert len(image.objects) == 1
    assert selection.left_out == {"objects under the score 0.5": 1}


def test_images_are_named_with_or_without_suffix_and_in_the_order_of_the_list(tmp_path):
    labels, names = scene(tmp_path), tmp_path / "names.txt"
    names.write_text("day2/b\n\n  a.png \nday2\\b.png\n")
    found = read(labels, images=names)
    assert [image.name for image in found.images] == ["day2/b.png", "a.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b\nc.png\n", "2 error"),
        ("b", "line 1: image 'b' is not in"),
        ("\n\n", "is empty; the name of one image per line"),
    ],
)
def test_names_that_the_labels_do_not_have(tmp_path, text, message):
    labels, names = scene(tmp_path), tmp_path / "names.txt"
    names.write_text(text)
    with pytest.raises(DataError, match=message):
        read(labels, images=names)


def test_a_name_without_suffix_that_stands_for_two_images(tmp_path):
    labels, names = scene(tmp_path, ["a.png", "a.bmp"]), tmp_path / "names.txt"
    names.write_text("a")
    with pytest.raises(DataError, match="stands for several: a.png, a.bmp"):
        read(labels, images=names)


@pytest.mark.parametrize("name", ["/etc/a.png", "../a.png", "x/../../a.png", "C:\\a.png", "a\nb"])
def test_names_that_lead_out_of_the_package_are_refused(tmp_path, name):
    labels = scene(tmp_path, ["a.png"])
    edit(labels, lambda content: content["images"][0].update(file_name=name))
    with pytest.raises(DataError, match="not a path inside a folder|control characters"):
        read(labels)


def test_names_of_classes_and_images_must_be_clear(tmp_path):
    labels = scene(tmp_path, ["a.png", "b.png"])
    edit(labels, lambda content: content["images"][1].update(file_name="./a.png"))
    with pytest.raises(DataError, match="image 'a.png' occurs 2 times"):
        read(labels)
    edit(labels, lambda content: content["categories"][0].update(name="a\tb"))
    with pytest.raises(DataError, match="holds a control character"):
        read(labels)


def test_a_threshold_needs_scores(tmp_path):
    labels = scene(tmp_path, ["a.png"])
    edit(labels, lambda content: [entry.pop("score") for entry in content["annotations"]])
    with pytest.raises(ValueError, match="--score-threshold has no effect"):
        read(labels, score_threshold=0.5)


@pytest.mark.parametrize("values", [{"score_threshold": 1.5}, {"min_area": 0}])
def test_thresholds_out_of_range(values):
    with pytest.raises(ValueError, match="must"):
        Selection(**values)


def test_what_is_needed_is_asked_for(tmp_path):
    labels = scene(tmp_path)
    with pytest.raises(ValueError, match="give --labels"):
        read(None)
    with pytest.raises(ValueError, match="--data is needed"):
        read(labels, with_photos=True)
    with pytest.raises(DataError, match="is not a folder"):
        read(labels, tmp_path / "nowhere")


@pytest.mark.parametrize("has_json", [False, True])
def test_true_masks_of_a_root(tmp_path, has_json):
    labels = scene(tmp_path, ["a.png"])
    edit(labels, lambda content: content["annotations"].pop(0))
    root = tmp_path / "root"
    found = read(labels, tmp_path / "photos", with_photos=True)
    write_labels(found, "masks", root)
    if has_json:
        target = root / "annotations/instances_train_s.json"
        target.parent.mkdir()
        target.write_text(labels.read_text())
    true = read(None, root, "train_s", with_photos=True)
    assert [image.name for image in true.images] == ["a.png"]
    ((item,),) = [image.objects for image in true.images]
    assert item.class_id == 1
    np.testing.assert_array_equal(item.mask, DOT)


def test_a_root_without_masks(tmp_path):
    labels = scene(tmp_path, ["a.png"])
    root = tmp_path / "root"
    write_labels(read(labels, tmp_path / "photos", with_photos=True), "masks", root)
    object_file, _ = DatasetFolder(root).mask_files("a")
    (root / object_file).unlink()
    with pytest.raises(DataError, match="no true masks of 'a'"):
        read(None, root, "train_s")
