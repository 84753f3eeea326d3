"""SOLO, its prompts and the refiner find the same instances in a photo of any size."""

import pytest
import torch
from detectron2.evaluation import inference_on_dataset

from bestie.data import build_mapper, build_test_loader
from bestie.evaluation import COCOExporter
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.pointwssis.refiner import MaskRefiner
from bestie.methods.solo.meta_arch import SOLO
from bestie.training.setup import merge_config
from tests.methods.color_solo import ColorRefiner, color_solo
from tests.training.color_scene import OBJECTS, write_scenes
from tests.training.test_prediction_sizes import (
    assert_same_instances,
    read_masks,
    size_of,
    true_instances,
)

SIZES = [500, 1000, 2016]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "root", SIZES)


def config_of(mapper, prompt="none", test_size=500):
    options = ["INPUT.FORMAT", "RGB", "INPUT.DATASET_MAPPER_NAME", mapper, "MODEL.DEVICE", "cpu"]
    options += ["MODEL.SOLO.NUM_CLASSES", "2", "MODEL.POINTWSSIS.PROMPT", prompt]
    options += ["INPUT.TEST_SIZE", str(test_size), "DATALOADER.NUM_WORKERS", "0"]
    return merge_config("", [*options, "MODEL.REFINER.SIZE", "64"])


def export(model, cfg, dataset, path):
    loader = build_test_loader(cfg, dataset, build_mapper(cfg, is_train=False))
    inference_on_dataset(model, loader, COCOExporter(dataset, path, use_tags=False))
    return path


def assert_all_instances(path, sizes):
    """Every photo has the scene's instances, and all photos have the same ones."""
    found = read_masks(path, size_of(500))
    assert list(found) == [f"px{size}" for size in sizes]
    for of_size in found.values():
        assert len(of_size) == len(OBJECTS)
        # Mask features have 1/4 of the resolution, which a small object shows.
        assert_same_instances(of_size, true_instances(500), least=0.8)
        assert_same_instances(of_size, found[f"px{sizes[0]}"])


def refiner():
    model = MaskRefiner(
        network=ColorRefiner(),
        num_classes=2,
        pixel_mean=[0.0] * 3,
        pixel_std=[255.0] * 3,
        size=64,
    )
    return model.eval()


def check_all_three(dataset, sizes, folder):
    plain = export(color_solo(SOLO), config_of("InstanceMapper"), dataset, folder / "plain.json")
    assert_all_instances(plain, sizes)
    clicks = config_of("PromptMapper", "points")
    rough = color_solo(PromptedSOLO, prompt="points")
    rough = export(rough, clicks, dataset, folder / "rough.json")
    assert_all_instances(rough, sizes)
    images = dataset.split(":")[1] + "/JPEGImages"
    refined = export(
        refiner(), config_of("RefinerMapper"), f"coco:{rough}:{images}", folder / "refined.json"
    )
    assert_all_instances(refined, sizes)


def test_the_same_scene_at_three_sizes_gives_the_same_instances(scenes, tmp_path):
    check_all_three(scenes, SIZES, tmp_path)


@pytest.mark.slow
def test_and_at_12_megapixels(tmp_path):
    check_all_three(write_scenes(tmp_path / "root", [500, 4032]), [500, 4032], tmp_path)


def test_clicks_choose_among_detections_alike(scenes, tmp_path):
    model = color_solo(PromptedSOLO, prompt="filter")
    cfg = config_of("PromptMapper", "filter")
    assert_all_instances(export(model, cfg, scenes, tmp_path / "filter.json"), SIZES)


@pytest.mark.parametrize("mapper", ["InstanceMapper", "PromptMapper"])
def test_no_tensor_of_the_size_of_the_photo_reaches_the_network(scenes, mapper):
    cfg = config_of(mapper, "points")
    model = color_solo(PromptedSOLO, prompt="none")
    for size, batch in zip(
        SIZES, build_test_loader(cfg, scenes, build_mapper(cfg, False)), strict=True
    ):
        assert tuple(batch[0]["image"].shape) == (3, 375, 500)
        found = model(batch)[0]["instances"]
        assert model.backbone.seen == (376, 504) and found.image_size == size_of(size)
        assert found.pred_boxes.tensor[:, 2].max() > 0.9 * size


def test_points_keep_their_exact_place(scenes):
    cfg = config_of("PromptMapper", "points")
    samples = [s[0] for s in build_test_loader(cfg, scenes, build_mapper(cfg, False))]
    for sample, size in zip(samples, SIZES, strict=True):
        assert (sample["height"], sample["width"]) == size_of(size)
        torch.testing.assert_close(sample["points"], samples[0]["points"], atol=0.5, rtol=0)
    fractions = samples[-1]["points"] % 1
    assert (fractions > 0).any()


def test_0_leaves_the_size_to_detectron2(scenes):
    cfg = config_of("InstanceMapper", test_size=0)
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 96, 200
    for mapper in ("InstanceMapper", "PromptMapper"):
        cfg.INPUT.DATASET_MAPPER_NAME, cfg.MODEL.POINTWSSIS.PROMPT = mapper, "points"
        for (sample,) in build_test_loader(cfg, scenes, build_mapper(cfg, False)):
            assert tuple(sample["image"].shape) == (3, 96, 128)


@pytest.mark.parametrize("test_size", [0, 250])
def test_crops_that_train_come_from_the_same_size_as_those_at_inference(
    scenes, tmp_path, test_size
):
    """Detail that only large photos show is averaged in both or in none."""
    cfg = config_of("PromptMapper", "points")
    model = color_solo(PromptedSOLO, prompt="points")
    labels = export(model, cfg, scenes, tmp_path / "labels.json")
    name = f"coco:{labels}:{scenes.split(':')[1]}/JPEGImages"
    cfg = config_of("RefinerMapper", test_size=test_size)
    cfg.MODEL.REFINER.CROP_SCALE_TRAIN = [2.0, 2.0]
    cfg.INPUT.RANDOM_FLIP = "none"
    mapper = build_mapper(cfg, is_train=True)
    seen = []
    for (sample,) in build_test_loader(cfg, name, lambda record: record):
        pairs = [{**a, "rough": a["segmentation"]} for a in sample["annotations"]]
        seen.append(mapper({**sample, "annotations": pairs[:1]}))
    for sample in seen[1:]:
        difference = (sample["rough"] != seen[0]["rough"]).float().mean()
        assert difference < 0.03 and (sample["point"] - seen[0]["point"]).abs().max() <= 1
