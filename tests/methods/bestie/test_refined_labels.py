"""Refined labels of a checkpoint: those that a training step would make of the same image."""

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from torch import nn

from bestie.data import build_mapper
from bestie.formats import decode_mask
from bestie.methods.bestie.meta_arch import BESTIE
from bestie.methods.bestie.refined_labels import RefinedLabels
from bestie.methods.bestie.refinement import RefineSettings
from tests.methods.bestie.test_meta_arch import CLASSES, OnePixelNetwork, sample_of


def model_of(kind, supervision):
    torch.manual_seed(3)
    model = kind(
        backbone=nn.Identity(),
        head=OnePixelNetwork(),
        pixel_mean=[100.0] * 3,
        pixel_std=[50.0] * 3,
        supervision=supervision,
        refine=RefineSettings(kernel=9),
    )
    with torch.no_grad():  # centers that are sure
        model.head.layer.bias[CLASSES + 1 : 2 * CLASSES + 1] += 1
    return model


@pytest.mark.parametrize("supervision", ["tags", "clicks"])
def test_labels_are_the_targets_of_a_training_step(supervision):
    sample = sample_of() | {"height": 40, "width": 48}
    model = model_of(RefinedLabels, supervision)
    with torch.no_grad():
        (output,) = model.eval()([sample])
    _, refined, _, _ = model_of(BESTIE, supervision).describe([sample], 0)
    found, owner = output["instances"], refined.instances[0]
    assert len(found) == len(owner.unique()) - 1 > 0
    masks = np.stack([decode_mask(rle, 40, 48) for rle in found.pred_masks.rles])
    np.testing.assert_array_equal(masks.any(0), (owner >= 0).numpy())
    for mask, class_id, score in zip(masks, found.pred_classes, found.scores, strict=True):
        (number,) = owner[torch.from_numpy(mask)].unique()
        assert (sample["semantic_map"][torch.from_numpy(mask)] == class_id + 1).all()
        assert score == pytest.approx(refined.confidence[number].item())


def test_mapper_reads_the_labels_of_the_whole_image_at_the_size_of_the_grid(cfg):
    cfg.INPUT.DATASET_MAPPER_NAME = "RefinementMapper"
    record = DatasetCatalog.get(cfg.DATASETS.TRAIN[0])[0]
    sample = build_mapper(cfg, False)(record)
    assert sample["semantic_map"].shape == sample["components"].shape == (40, 56)
    assert sample["component_confidence"].tolist() == [1, 1]
    assert sample["points"].tolist() == [[9, 10], [26, 36]]
    cfg.INPUT.TEST_SIZE = 112
    twice = build_mapper(cfg, False)(record)
    assert twice["grid_size"] == tuple(twice["semantic_map"].shape) == (80, 112)
    assert twice["points"].tolist() == [[19, 21], [53, 73]]
    assert twice["component_centroids"].tolist() != sample["component_centroids"].tolist()


def test_mapper_does_not_train(cfg):
    cfg.INPUT.DATASET_MAPPER_NAME = "RefinementMapper"
    with pytest.raises(ValueError, match="train with BESTIEMapper"):
        build_mapper(cfg, True)
