import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from bestie import formats
from bestie.data.shapes import generator
from bestie.data.shapes.generator import Settings
from bestie.data.shapes.objects import (
    CLASS_NAMES,
)
from bestie.data.shapes.render import Scene
from bestie.formats.instances import clicks_of_instances

SMALL = Settings(seed=3, train=5, val=3, size=96)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "shapes"
    generator.make_shapes(root, SMALL)
    return root


def digests(root):
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha1(p.read_bytes()).hexdigest() for p in paths}


def truth(root, image_id):
    return formats.read_instances(
        *(root / f"Segmentation{kind}" / f"{image_id}.png" for kind in ("Object", "Class"))
    )


def test_same_seed_gives_the_same_bytes(root, tmp_path):
    generator.make_shapes(tmp_path / "again", SMALL)
    assert digests(tmp_path / "again") == digests(root)


def test_other_seed_gives_other_images_and_other_number_the_same(root, tmp_path):
    generator.make_shapes(tmp_path / "other", Settings(seed=4, train=1, val=1, size=96))
    generator.make_shapes(tmp_path / "fewer", Settings(seed=3, train=2, val=1, size=96))
    image = "JPEGImages/train_00000.jpg"
    assert digests(tmp_path / "other")[image] != digests(root)[image]
    fewer = digests(tmp_path / "fewer")
    for name in fewer:
        if "train_00" in name or "val_00" in name:
            assert fewer[name] == digests(root)[name]


def test_tags_only_leaves_out_clicks_and_maps_and_changes_nothing_else(root, tmp_path):
    generator.make_shapes(tmp_path / "tags", replace(SMALL, tags_only=True))
    kept, whole = digests(tmp_path / "tags"), digests(root)
    left_out = {name.split("/")[0] for name in whole.keys() - kept.keys()}
    assert left_out == {"Center_points", "WSSS_maps"}
    del kept["shapes.json"]  # it records the settings
    assert kept.items() <= whole.items()


def test_every_file_of_the_contract_is_there_and_fits(root):
    names = formats.read_class_names(root)
    tags = formats.read_image_labels(root, names)
    assert tuple(names) == CLASS_NAMES
    for split, number in (("train", 5), ("val", 3)):
        ids = formats.read_split(root, split)
        assert len(ids) == number
        for image_id in ids:
            image = formats.read_image(formats.find_image(root, image_id))
            instance_map, ignore, classes = truth(root, image_id)
            weak_map = formats.read_semantic_map(root / "WSSS_maps" / f"{image_id}.png")
            clicks = formats.read_points(root / "Center_points" / f"{image_id}.txt")
            assert image.shape[:2] == instance_map.shape == weak_map.shape
            assert 1 <= len(classes) <= 8 and not ignore.any()
            assert tags[image_id] == sorted(set(classes)) and len(tags[image_id]) <= 3
            assert weak_map.max() <= len(names)
            np.testing.assert_array_equal(clicks.classes, classes)
            np.testing.assert_array_equal(clicks.scores, 1)
            y, x = clicks.yx.astype(int).T
            np.testing.assert_array_equal(instance_map[y, x], np.arange(len(classes)) + 1)


def test_json_holds_the_masks_of_the_png_files(root):
    coco = formats.read_coco(root / "annotations" / "instances_train.json")
    assert [image["file_name"] for image in coco["images"]] == [
        f"{image_id}.jpg" for image_id in formats.read_split(root, "train")
    ]
    for image in coco["images"]:
        instance_map, _, classes = truth(root, image["file_name"][:-4])
        entries = [entry for entry in coco["annotations"] if entry["image_id"] == image["id"]]
        assert [entry["category_id"] - 1 for entry in entries] == list(classes)
        for entry in entries:
            mask = coco_mask.decode(entry["segmentation"]).astype(bool)
            np.testing.assert_array_equal(mask, instance_map == entry["object_id"])


def test_second_run_with_the_same_settings_makes_nothing(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    record = generator.make_shapes(root, SMALL)
    assert record == json.loads((root / "shapes.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_folder_with_something_else_is_left_alone(root, tmp_path):
    with pytest.raises(formats.DataError, match="'seed': 3.*requested.*'seed': 1"):
        generator.make_shapes(root, Settings(seed=1, train=5, val=3, size=96))
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(formats.DataError, match="no shapes.json"):
        generator.make_shapes(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "write_coco", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generator.make_shapes(tmp_path / "shapes", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key, value", [("seed", -1), ("train", 0), ("val", 0), ("size", 63)])
def test_settings_out_of_range_are_named(key, value):
    with pytest.raises(ValueError, match=f"--{key} must be .*, got {value}"):
        Settings(**{key: value})


def scene_of(instance_map, classes):
    image = np.zeros((*instance_map.shape, 3), np.uint8)
    return Scene(image, instance_map.astype(np.uint8), np.array(classes))


def test_summary_counts_what_it_says():
    # Two touching objects of class 0, and one of class 1 whose weak map covers it half.
    instance_map = np.zeros((40, 60), int)
    instance_map[0:10, 0:10] = 1
    instance_map[0:10, 10:22] = 2
    instance_map[20:30, 30:50] = 3
    scene = scene_of(instance_map, [0, 0, 1])
    weak_map = generator.semantic_map(scene)
    weak_map[20:30, 40:50] = 0
    weak_map[35:37, 0:10] = 3  # too small to count
    clicks = clicks_of_instances(instance_map, scene.classes)
    summary = generator.Summary()
    summary.add(scene, weak_map, clicks)
    assert (summary.images, summary.instances, summary.touching) == (1, 3, 2)
    # The click of the half covered object, (24, 39), lies on its component.
    assert (summary.components, summary.single_click) == (2, 1)
    # IoU 10 / 22, 12 / 22 with the component of the pair, 1 / 2 for the third object.
    assert summary.recalled == 2
    background = (2400 - 420 - 20) / (2400 - 420 + 100)
    assert summary.mean_iou == pytest.approx(100 * (background + 1 + 0.5) / 3)


def test_weak_map_holds_an_object_about_where_it_is():
    instance_map = np.zeros((80, 80), int)
    instance_map[20:60, 20:60] = 1
    scene = scene_of(instance_map, [4])
    overlaps = []
    for seed in range(40):
        weak = generator.degrade_map(np.random.default_rng(seed), scene) == 5
        overlaps.append((weak & (instance_map == 1)).sum() / (weak | (instance_map == 1)).sum())
    assert 0.65 < np.mean(overlaps) < 0.95
    assert min(overlaps) < 0.6  # some are missed or cut
