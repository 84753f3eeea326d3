"""The segmentation network that learns weak maps: its loss, its predictions, what it refuses."""

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from tests.evaluation.tiny_data import write_root
from tests.methods.pam.tiny_segmenter import write_segmenter


@pytest.fixture
def cfg(tmp_path) -> CfgNode:
    return write_segmenter(tmp_path / "model", write_root(tmp_path / "root")).clone()


def model_of(cfg, *overrides):
    cfg = cfg.clone()
    cfg.defrost()
    cfg.merge_from_list(list(overrides))
    torch.manual_seed(0)
    return build_model(cfg)


def batch(size=32):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)
    maps = torch.zeros(2, size, size, dtype=torch.uint8)
    maps[:, :8], maps[:, -2:] = 2, 255
    return [{"image": i, "semantic_map": m} for i, m in zip(images, maps, strict=True)]


def loss_at(model, iteration):
    with EventStorage(iteration):
        torch.manual_seed(0)
        return model(batch())["loss_semantic"]


def test_every_parameter_learns(cfg):
    model = model_of(cfg).train()
    loss_at(model, 0).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_pixels_are_left_out_from_the_iteration_on_that_the_config_names(cfg):
    keys = ("MODEL.SEMANTIC.KEPT_SHARE", 0.5, "MODEL.SEMANTIC.DROP_START_ITER", 3)
    plain, dropping = model_of(cfg).train(), model_of(cfg, *keys).train()
    assert loss_at(dropping, 2) == loss_at(plain, 2)
    assert loss_at(dropping, 3) < loss_at(plain, 3)


def test_the_symmetric_weight_reaches_the_loss(cfg):
    plain = model_of(cfg).train()
    both = model_of(cfg, "MODEL.SEMANTIC.SYMMETRIC_WEIGHT", 1.0).train()
    assert loss_at(both, 0) > loss_at(plain, 0)


def test_predictions_are_probabilities_of_every_class_at_the_size_of_the_image(cfg):
    model = model_of(cfg).eval()
    (output,) = model([{"image": torch.zeros(3, 37, 50, dtype=torch.uint8)}])
    assert output["sem_seg"].shape == (3, 37, 50)
    torch.testing.assert_close(output["sem_seg"].sum(0), torch.ones(37, 50))


@pytest.mark.parametrize("tags", [[False, False], [True, False], [True, True]])
def test_only_tags_get_probabilities(cfg, tags):
    model = model_of(cfg).eval()
    image = batch(40)[0]["image"][:, :, :33]
    found = model.tag_probabilities(image, torch.tensor(tags), [0.5, 1.0])
    assert found.shape == (1 + sum(tags), 40, 33)
    torch.testing.assert_close(found.sum(0), torch.ones(40, 33))


def test_a_mirrored_image_has_the_mirrored_prediction(cfg):
    model, tags = model_of(cfg).eval(), torch.tensor([True, True])
    image = batch(64)[0]["image"]
    found = model.tag_probabilities(image, tags, [1.0, 1.5])
    mirrored = model.tag_probabilities(image.flip(-1), tags, [1.0, 1.5])
    torch.testing.assert_close(mirrored.flip(-1), found, rtol=1e-4, atol=1e-5)


def test_a_backbone_without_fine_maps_and_no_classes_are_refused(cfg):
    with pytest.raises(ValueError, match=r"reads the feature maps res2, .* gives conv5"):
        model_of(cfg, "MODEL.BACKBONE.NAME", "build_vgg16_backbone", "MODEL.PAM.VGG_WEIGHTS", "")
    with pytest.raises(ValueError, match="MODEL.SEMANTIC.NUM_CLASSES must be 1 or more"):
        model_of(cfg, "MODEL.SEMANTIC.NUM_CLASSES", -1)
