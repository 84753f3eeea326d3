import shutil

import pytest

from bestie.formats import DataError, decode_mask
from bestie.formats.true_masks import part_of_coco, true_instances
from tests.data.conftest import HEIGHT, WIDTH, ground_truth, root, write_lines

__all__ = ["root"]  # a fixture


def instances(root):
    """Name of the file and class -> pixels of the true objects of each image."""
    coco = true_instances(root, "few")
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    found = {name: [] for name in names.values()}
    for entry in coco["annotations"]:
        mask = decode_mask(entry["segmentation"], HEIGHT, WIDTH)
        found[names[entry["image_id"]]].append((entry["category_id"], int(mask.sum())))
    return found


def test_json_and_mask_files_give_the_same(root):
    write_lines(root / "ImageSets/Segmentation/few.txt", "c", "a")
    of_files = instances(root)
    assert of_files == {"c.png": [(3, 64), (3, 64)], "a.png": [(1, 100), (2, 144)]}
    shutil.copy(root / "annotations/instances_train.json", root / "annotations/instances_few.json")
    shutil.rmtree(root / "SegmentationObject")
    assert instances(root) == of_files


def test_missing_masks_are_named(root):
    write_lines(root / "ImageSets/Segmentation/few.txt", "c", "a")
    (root / "SegmentationObject/a.png").unlink()
    with pytest.raises(DataError, match=r"SegmentationObject/a\.png"):
        true_instances(root, "few")
    shutil.copy(root / "annotations/instances_train.json", root / "annotations/instances_few.json")
    write_lines(root / "ImageSets/Segmentation/few.txt", "new")
    with pytest.raises(DataError, match="lacks the image 'new' of the split"):
        true_instances(root, "few")


def test_a_part_of_a_json_keeps_the_annotations_of_its_images():
    part = part_of_coco(ground_truth(), ["b", "d", "unknown"])
    assert [image["id"] for image in part["images"]] == [20, 40]
    assert {entry["image_id"] for entry in part["annotations"]} == {20}
    assert len(part["categories"]) == 3
