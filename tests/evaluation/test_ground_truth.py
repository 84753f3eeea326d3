"""The true objects of a data set, from mask files or from its COCO json."""

import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.evaluation.ground_truth import GroundTruth, has_ground_truth
from bestie.formats import DataError, decode_mask, write_semantic_map
from tests.evaluation.tiny_data import CLASS_NAMES, HEIGHT, OBJECTS, WIDTH, rectangle, write_root

JSON = "annotations/instances_train.json"


def edit(root, change):
    """Change the json before it is read."""
    content = json.loads((root / JSON).read_text())
    change(content)
    (root / JSON).write_text(json.dumps(content))


def objects_of(truth, image_id):
    """Class and pixels of each object."""
    found = truth.objects(image_id)
    assert found.scores.tolist() == [1] * len(found)
    masks = [decode_mask(rle, HEIGHT, WIDTH) for rle in found.rles]
    return list(zip(found.classes.tolist(), masks, strict=True))


@pytest.mark.parametrize(("pngs", "json"), [(True, False), (False, True), (True, True)])
def test_objects_of_every_image(tmp_path, pngs, json):
    name = write_root(tmp_path, pngs=pngs, json=json)
    truth = GroundTruth(name)
    assert has_ground_truth(name) and truth.class_names == CLASS_NAMES
    assert len(truth.records) == len(OBJECTS)
    for image_id, expected in zip(truth.records, OBJECTS, strict=True):
        found = objects_of(truth, image_id)
        assert [class_id for class_id, _ in found] == [class_id for class_id, *_ in expected]
        for (_, mask), (_, *box) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mask, rectangle(*box))


def test_files_come_before_the_json_and_pixels_255_belong_to_no_object(tmp_path):
    name = write_root(tmp_path, objects=[[(0, 0, 0, 10, 10)]])
    for folder in ("SegmentationClass", "SegmentationObject"):
        pixels = rectangle(0, 0, 10, 10).astype(np.uint8)
        pixels[6:10, 0:10] = 255
        write_semantic_map(tmp_path / folder / "img0.png", pixels)
    ((class_id, mask),) = objects_of(GroundTruth(name), 101)
    assert class_id == 0
    np.testing.assert_array_equal(mask, rectangle(0, 0, 6, 10))


def test_one_image_without_files_makes_the_json_count(tmp_path):
    name = write_root(tmp_path)
    (tmp_path / "SegmentationClass/img2.png").unlink()
    edit(tmp_path, lambda content: content["annotations"].pop(0))
    assert [class_id for class_id, _ in objects_of(GroundTruth(name), 101)] == [0]


def test_crowd_regions_are_no_objects(tmp_path):
    write_root(tmp_path / "other", pngs=False)
    root = tmp_path / "root"
    (tmp_path / "other").rename(root)
    edit(root, lambda content: content["annotations"][0].update(iscrowd=1))
    name = f"folder:{root}:train"
    register_dataset(name)
    ((_, mask),) = objects_of(GroundTruth(name), 101)
    np.testing.assert_array_equal(mask, rectangle(6, 0, 12, 10))


def test_data_without_masks_is_refused(tmp_path):
    name = write_root(tmp_path, pngs=False, json=False)
    assert not has_ground_truth(name)
    message = (
        r"data set '.*' has no ground truth masks: .*img0.png \(5 of 5 images\) .* no COCO json "
        r"exists \(annotations/instances_<split>.json\)"
    )
    with pytest.raises(ValueError, match=message):
        GroundTruth(name)


def test_a_json_that_has_been_removed_since_is_named(tmp_path):
    name = write_root(tmp_path, pngs=False)
    (tmp_path / JSON).unlink()
    with pytest.raises(ValueError, match=rf"no COCO json exists \({tmp_path / JSON}\)"):
        GroundTruth(name)


def test_a_data_set_registered_elsewhere_whose_json_lacks_images(tmp_path):
    write_root(tmp_path, pngs=False)
    records = [{"image_id": key, "file_name": f"{key}.png"} for key in (101, 7, 8)]
    name = f"own:{tmp_path}"
    DatasetCatalog.register(name, lambda: records)
    MetadataCatalog.get(name).set(json_file=str(tmp_path / JSON), thing_classes=CLASS_NAMES)
    with pytest.raises(DataError, match=f"{JSON}: does not list 2 images .* image id 7"):
        GroundTruth(name)
