"""The size of a photo does not matter: the same scene gives the same instances at any size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.evaluation import inference_on_dataset

from bestie.data import build_mapper, build_test_loader
from bestie.evaluation import VOCInstanceEvaluator
from bestie.formats import decode_mask, read_image_size
from bestie.training.export import export_pseudo_labels
from bestie.training.predict import demo_overrides, find_images, run_demo
from bestie.training.run_files import find_checkpoint
from bestie.training.setup import load_model, read_config
from bestie.visualization.canvas import resize_nearest
from tests.training.color_scene import OBJECTS, draw_scene, scene_config, size_of, write_scenes

SIZES = [500, 1000, 2016, 4032]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> str:
    """Name of a data set of the scene at all sizes."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "root", SIZES)


def read_masks(path: Path, size: tuple[int, int]) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Stem of each image -> (class, mask at one size) of its instances."""
    content = json.loads(path.read_text())
    found = {image["id"]: [] for image in content["images"]}
    for entry in content["annotations"]:
        height, width = entry["segmentation"]["size"]
        mask = resize_nearest(decode_mask(entry["segmentation"], height, width), size)
        found[entry["image_id"]].append((entry["category_id"] - 1, mask))
    return {Path(image["file_name"]).stem: found[image["id"]] for image in content["images"]}


def assert_same_instances(found: list, expected: list, least: float = 0.9) -> None:
    assert [c for c, _ in found].count(0) == [c for c, _ in expected].count(0)
    assert len(found) == len(expected)
    for class_id, mask in expected:
        overlaps = [
            (mask & other).sum() / (mask | other).sum() for c, other in found if c == class_id
        ]
        assert max(overlaps) > least


def true_instances(longer: int, portrait: bool = False) -> list:
    instances = draw_scene(longer, portrait)[1]
    return [(class_id, instances == k) for k, (class_id, *_) in enumerate(OBJECTS, 1)]


@pytest.mark.parametrize("clicks", [False, True], ids=["centers", "clicks"])
def test_the_same_scene_at_four_sizes_exports_the_same_instances(scenes, tmp_path, clicks):
    cfg = scene_config(tmp_path, scenes)
    export_pseudo_labels(cfg, scenes, tmp_path / "labels.json", use_clicks=clicks)
    found = read_masks(tmp_path / "labels.json", size_of(500))
    assert list(found) == [f"px{size}" for size in SIZES]
    for of_size in found.values():
        assert len(of_size) == len(OBJECTS)
        assert_same_instances(of_size, true_instances(500))


def test_portraits_odd_sizes_and_tiny_photos_too(tmp_path):
    sizes = [4001, 777, 333]
    name = write_scenes(tmp_path / "root", sizes, portrait=True)
    cfg = scene_config(tmp_path, name)
    export_pseudo_labels(cfg, name, tmp_path / "labels.json", use_clicks=False)
    for of_size in read_masks(tmp_path / "labels.json", size_of(500, True)).values():
        assert_same_instances(of_size, true_instances(500, True))
    tiny = write_scenes(tmp_path / "tiny", [40])
    export_pseudo_labels(cfg, tiny, tmp_path / "tiny.json", use_clicks=False)
    annotations = json.loads((tmp_path / "tiny.json").read_text())["annotations"]
    assert {a["category_id"] for a in annotations} == {1, 2}
    assert {tuple(a["segmentation"]["size"]) for a in annotations} == {(30, 40)}
    assert all(a["area"] > 0 for a in annotations)


def test_the_demo_of_a_trained_run_does_the_same(scenes, tmp_path):
    cfg = scene_config(tmp_path, write_scenes(tmp_path / "trained", [500]))
    assert cfg.INPUT.TEST_SIZE == 500
    config_file, weights = map(str, find_checkpoint(tmp_path))
    overrides = demo_overrides(config_file, ["MODEL.WEIGHTS", weights])
    cfg = read_config(config_file, overrides, training=False)
    photos = find_images([Path(MetadataCatalog.get(scenes).root, "JPEGImages")], tmp_path / "out")
    result = run_demo(cfg, photos, tmp_path / "out")
    assert result.instances == len(SIZES) * len(OBJECTS)
    found = read_masks(tmp_path / "out/predictions.json", size_of(500))
    for of_size in found.values():
        assert_same_instances(of_size, true_instances(500))
    overlay = tmp_path / "out/overlays/px4032.png.jpg"
    assert max(read_image_size(overlay)) == 1024


def test_evaluation_scores_photos_of_all_sizes_alike(scenes, tmp_path):
    cfg = scene_config(tmp_path, scenes)
    loader = build_test_loader(cfg, scenes, build_mapper(cfg, is_train=False))
    results = inference_on_dataset(load_model(cfg), loader, VOCInstanceEvaluator(scenes))
    assert results["voc"]["mAP75"] == 100


def test_no_tensor_of_the_size_of_the_photo_reaches_the_network(tmp_path):
    name = write_scenes(tmp_path / "root", [2016])
    cfg = scene_config(tmp_path, name)
    (sample,) = build_test_loader(cfg, name, build_mapper(cfg, is_train=False))
    model = load_model(cfg)
    output = model(sample)[0]
    assert tuple(sample[0]["image"].shape) == (3, 375, 500)
    assert model.head.widest == 512  # sides are multiples of 32
    assert tuple(output["sem_seg"].shape) == (3, 375, 500)
    assert output["instances"].image_size == (1512, 2016)
    boxes = output["instances"].pred_boxes.tensor
    assert boxes[:, 2].max() > 1500 and len(boxes) == len(OBJECTS)


def test_the_factor_for_small_objects_multiplies_the_size(tmp_path):
    """The network sees more pixels of a large photo; lengths stay pixels of TEST_SIZE."""
    name = write_scenes(tmp_path / "root", [2016])
    cfg = scene_config(
        tmp_path, name, "INPUT.TEST_SIZE", 250, "MODEL.BESTIE.TEST.SCALE", 2.0,
        "MODEL.BESTIE.MIN_AREA", 60,
    )  # fmt: skip
    (sample,) = build_test_loader(cfg, name, build_mapper(cfg, is_train=False))
    model = load_model(cfg)
    output = model(sample)[0]
    assert tuple(sample[0]["image"].shape) == (3, 376, 500) and model.head.widest == 512
    assert tuple(output["sem_seg"].shape) == (3, 188, 250)
    # The smallest object has 87 pixels at 250; at 500 it would have 347.
    assert len(output["instances"]) == len(OBJECTS)
    model.min_area = 150
    with torch.no_grad():
        assert len(model(sample)[0]["instances"]) == len(OBJECTS) - 1


def test_kept_sizes_and_0_leave_photos_as_they_are(tmp_path):
    name = write_scenes(tmp_path / "root", [600, 1000])
    cfg = scene_config(tmp_path, name, "INPUT.TEST_SIZE_KEPT", [500, 600])
    kept, resized = (s[0] for s in build_test_loader(cfg, name, build_mapper(cfg, False)))
    assert tuple(kept["image"].shape) == (3, 450, 600) and "grid_size" not in kept
    assert tuple(resized["image"].shape) == (3, 375, 500) and resized["grid_size"] == (375, 500)
    cfg = scene_config(tmp_path, name, "INPUT.TEST_SIZE", 0)
    samples = build_test_loader(cfg, name, build_mapper(cfg, is_train=False))
    for (sample,), size in zip(samples, (600, 1000), strict=True):
        assert tuple(sample["image"].shape[1:]) == size_of(size)
        assert torch.equal(sample["image"], torch.from_numpy(draw_scene(size)[0]).movedim(2, 0))


def test_points_are_pixels_of_the_grid(scenes, tmp_path):
    cfg = scene_config(tmp_path, scenes)
    samples = [s[0] for s in build_test_loader(cfg, scenes, build_mapper(cfg, is_train=False))]
    for sample in samples:
        assert (sample["points"] == sample["points"].floor()).all()
        torch.testing.assert_close(sample["points"], samples[0]["points"], atol=1.0, rtol=0)
