import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from bestie import formats
from bestie.formats import dataset_folder


def test_click_is_the_centroid_of_a_convex_mask():
    mask = np.zeros((7, 9), bool)
    mask[1:4, 2:7] = True
    assert dataset_folder.mask_click(mask) == (2, 4)


def test_click_of_a_ring_lies_on_the_ring():
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    y, x = dataset_folder.mask_click(mask)
    assert mask[y, x] and (y, x) in {(0, 2), (2, 0), (2, 4), (4, 2)}


@given(arrays(bool, (6, 8)).filter(np.any))
@settings(deadline=None)
def test_no_pixel_of_the_mask_is_nearer_to_the_centroid_than_the_click(mask):
    y, x = dataset_folder.mask_click(mask)
    pixels = np.argwhere(mask)
    distance = np.linalg.norm(pixels - pixels.mean(0), axis=1)
    assert mask[y, x]
    assert np.isclose(np.linalg.norm((y, x) - pixels.mean(0)), distance.min())


@given(arrays(np.uint8, (6, 8), elements=st.integers(0, 3)))
@settings(deadline=None)
def test_annotations_agree_with_their_masks(values):
    present = np.unique(values[values > 0])
    instance_map = np.searchsorted(np.append(0, present), values)
    classes = np.arange(len(present)) % 2
    found = dataset_folder.coco_annotations(instance_map, classes, image_id=9, first_id=5)
    assert [entry["id"] for entry in found] == list(range(5, 5 + len(present)))
    for i, entry in enumerate(found):
        np.testing.assert_array_equal(
            formats.decode_mask(entry["segmentation"], 6, 8), instance_map == i + 1
        )
        assert entry["area"] == coco_mask.area(entry["segmentation"])
        assert entry["bbox"] == coco_mask.toBbox(entry["segmentation"]).tolist()
        assert (entry["category_id"], entry["image_id"]) == (classes[i] + 1, 9)


def test_added_tags_leave_known_ones_unless_told_otherwise(tmp_path):
    dataset_folder.write_class_names(tmp_path, ["a", "b", "c"])
    dataset_folder.add_image_labels(tmp_path, {"one": {2, 0}})
    dataset_folder.add_image_labels(tmp_path, {"one": {1}, "none": set()})
    assert (tmp_path / "image_labels.txt").read_text() == "none\none 0 2\n"
    dataset_folder.add_image_labels(tmp_path, {"one": {1}}, overwrite=True)
    assert formats.read_image_labels(tmp_path, ["a", "b", "c"]) == {"none": [], "one": [1]}


def test_other_class_names_in_the_root_are_an_error(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset_folder.write_class_names(tmp_path, ["cat", "dog"])
    with pytest.raises(formats.DataError, match="classes.txt.*other classes than dog, cat"):
        dataset_folder.write_class_names(tmp_path, ["dog", "cat"])


def test_all_missing_files_are_counted_and_the_first_named(tmp_path):
    (tmp_path / "there").touch()
    names = ["there", *(f"f{i}" for i in range(12))]
    with pytest.raises(formats.DataError, match=r"12 file\(s\) missing: f0, .*f9, \.\.\.\. Get it"):
        dataset_folder.require_files(tmp_path, names, "Get it")
