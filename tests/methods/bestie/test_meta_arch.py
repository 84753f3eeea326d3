import numpy as np
import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.utils.events import EventStorage
from torch import nn

from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.heads import build_bestie_head
from bestie.methods.bestie.meta_arch import BESTIE
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.methods.bestie.refinement import RefineSettings
from bestie.methods.bestie.settings import InferenceSettings, LossSettings
from bestie.regions.components import find_components
from bestie.training import default_config
from bestie.training.optimizer import build_optimizer

CLASSES = 3


class OnePixelNetwork(nn.Module):
    """The smallest network: a 1x1 convolution from the image to all outputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2 * CLASSES + 3, 1)

    def forward(self, images, size):
        maps = nn.functional.interpolate(self.layer(images), size, mode="bilinear")
        return maps.split([CLASSES + 1, CLASSES, 2], dim=1)


def model_of(**settings):
    torch.manual_seed(0)
    return BESTIE(
        backbone=nn.Identity(),
        head=OnePixelNetwork(),
        pixel_mean=[100.0] * 3,
        pixel_std=[50.0] * 3,
        **settings,
    )


def sample_of(seed=0, size=(40, 48), points=((10, 12), (30, 30))):
    rng = np.random.default_rng(seed)
    semantic_map = np.zeros(size, np.uint8)
    semantic_map[4:20, 4:24] = 1
    semantic_map[24:38, 20:44] = 2
    components = find_components(semantic_map, [0, 1])
    points = np.array(points, np.float32).reshape(-1, 2)
    classes = np.arange(len(points)) % 2
    return {
        "image": torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8)),
        "image_labels": torch.tensor([True, True, False]),
        "semantic_map": torch.from_numpy(semantic_map),
        "points": torch.from_numpy(points),
        "point_classes": torch.from_numpy(classes),
        "components": torch.from_numpy(components.map),
        "component_classes": torch.from_numpy(components.classes),
        "component_centroids": torch.from_numpy(components.centroids),
        "component_confidence": torch.from_numpy(
            accept_components(components, points, classes).astype(np.float32)
        ),
    }


def losses_of(model, samples, iteration=0):
    model.train()
    with EventStorage(iteration):
        return model(samples)


@pytest.mark.parametrize("supervision", ["tags", "clicks"])
def test_losses_are_finite_and_reach_every_output(supervision):
    model = model_of(supervision=supervision, refine=RefineSettings(), cluster=ClusterSettings())
    losses = losses_of(model, [sample_of(0), sample_of(1)])
    assert set(losses) == {
        "loss_semantic",
        "loss_center_pseudo",
        "loss_offset_pseudo",
        "loss_center_refined",
        "loss_offset_refined",
    }
    sum(losses.values()).backward()
    gradient = model.head.layer.weight.grad.flatten(1).norm(dim=1)
    assert torch.isfinite(gradient).all() and (gradient > 0).all()


def test_refinement_starts_at_its_iteration_and_halves_the_pseudo_terms():
    model = model_of(refine=RefineSettings(start_iter=5))
    early = losses_of(model, [sample_of()], iteration=4)
    late = losses_of(model, [sample_of()], iteration=5)
    assert "loss_center_refined" not in early
    assert late["loss_center_pseudo"] == early["loss_center_pseudo"] / 2


def test_loss_weights_multiply_their_terms():
    plain = losses_of(model_of(loss=LossSettings(1, 1, 1)), [sample_of()])
    weighted = losses_of(model_of(loss=LossSettings(2, 3, 4)), [sample_of()])
    for term, factor in (("semantic", 2), ("center_pseudo", 3), ("offset_pseudo", 4)):
        assert weighted[f"loss_{term}"].item() == pytest.approx(
            factor * plain[f"loss_{term}"].item(), rel=1e-5
        )


def test_without_guidance_the_losses_average_over_everything():
    model = model_of(loss=LossSettings(iag=False))
    sample = sample_of(points=())
    losses = losses_of(model, [sample])
    outputs = model._predict(model._preprocess([sample]))
    assert losses["loss_offset_pseudo"].item() == pytest.approx(
        0.01 * outputs.offset.abs().mean().item(), rel=1e-5
    )
    guided = losses_of(model_of(), [sample])
    assert guided["loss_offset_pseudo"] == guided["loss_center_pseudo"] == 0


def test_clicks_guide_refined_centers_only_if_switched_on():
    sample = sample_of(points=((10, 12), (30, 30), (12, 16)))  # two clicks on the first component
    plain = losses_of(model_of(supervision="clicks", refine=RefineSettings()), [sample])
    guided = losses_of(
        model_of(supervision="clicks", refine=RefineSettings(guide_centers=True)), [sample]
    )
    assert plain["loss_center_refined"] == plain["loss_center_pseudo"]
    assert guided["loss_center_refined"] != guided["loss_center_pseudo"]
    assert guided["loss_offset_refined"] == plain["loss_offset_refined"]


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_inference_gives_the_asked_size_and_disjoint_masks(fit):
    model = model_of(inference=InferenceSettings(fit=fit, flip=True), min_area=1).eval()
    image = sample_of(size=(37, 45))["image"]
    result = model([{"image": image, "height": 50, "width": 61}])[0]
    instances = result["instances"]
    assert result["sem_seg"].shape == (CLASSES + 1, 37, 45)
    assert instances.image_size == (50, 61)
    assert len(instances) > 0 and np.asarray(instances.pred_masks, int).sum(0).max() == 1
    assert ((instances.scores >= 0) & (instances.scores <= 1)).all()


def test_padding_and_no_resizing_leave_a_pixelwise_network_as_it_is():
    image = sample_of(size=(37, 45))["image"]
    model = model_of().eval()
    fitted = model.predict_image(image, (37, 45))
    direct = model._predict(((image - model.pixel_mean) / model.pixel_std).unsqueeze(0))
    torch.testing.assert_close(fitted.offset, direct.offset[0])


def test_a_resized_image_is_predicted_at_the_output_size_in_one_step():
    sizes = []
    model = model_of(inference=InferenceSettings(fit="resize")).eval()
    model.head.register_forward_pre_hook(lambda _, arguments: sizes.append(arguments))
    offset = model.predict_image(sample_of(size=(37, 45))["image"], (37, 45)).offset
    ((features, size),) = sizes
    assert size == (37, 45) and features.shape[-2:] == (64, 64)
    shrink = torch.tensor([37 / 64, 45 / 64]).view(2, 1, 1)
    torch.testing.assert_close(offset, model.head(features, (37, 45))[2][0] * shrink)


def test_offsets_shrink_and_grow_with_the_output():
    model = model_of().eval()
    with torch.no_grad():
        model.head.layer.weight.zero_()
        model.head.layer.bias.fill_(8.0)
    image = sample_of(size=(32, 32))["image"]
    offset = model.predict_image(image, (16, 64)).offset
    torch.testing.assert_close(offset[0], torch.full((16, 64), 4.0))
    torch.testing.assert_close(offset[1], torch.full((16, 64), 16.0))


@pytest.mark.parametrize("head", ["HRNetHead", "PanopticDeepLabHead"])
def test_the_head_and_its_offsets_learn_at_their_own_rates(head):
    cfg = default_config()
    cfg.SOLVER.BASE_LR, cfg.MODEL.BESTIE.HEAD, cfg.MODEL.BESTIE.NUM_CLASSES = 0.5, head, 3
    cfg.MODEL.DEVICE = "cpu"
    shapes = {f"res{n}": ShapeSpec(channels=8, stride=2**n) for n in range(2, 6)}
    model = model_of()
    model.backbone, model.head = nn.Conv2d(3, 3, 1), build_bestie_head(cfg, shapes)
    same = build_optimizer(cfg, model).param_groups
    assert {group["lr"] for group in same} == {0.5}
    cfg.MODEL.BESTIE.HEAD_LR_FACTOR, cfg.MODEL.BESTIE.OFFSET_LR_FACTOR = 4.0, 8.0
    groups = build_optimizer(cfg, model).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    predictor = list(model.head.offset_predictor.parameters())
    assert {rates.pop(id(p)) for p in predictor} == {16.0}
    assert predictor[0].shape[0] == 2  # dy and dx
    assert {rates.pop(id(p)) for p in model.backbone.parameters()} == {0.5}
    assert set(rates.values()) == {2.0}
    model.head = OnePixelNetwork()
    with pytest.raises(ValueError, match="OFFSET_LR_FACTOR needs .* OnePixelNetwork has none"):
        build_optimizer(cfg, model)


def test_tags_restrict_the_classes_and_clicks_the_instances():
    sample = sample_of()
    sample["image_labels"] = torch.tensor([False, True, False])
    tags = model_of(inference=InferenceSettings(use_tags=True), min_area=1).eval()([sample])[0]
    assert set(tags["instances"].pred_classes.tolist()) <= {1}
    model = model_of(supervision="clicks", inference=InferenceSettings(use_clicks=True)).eval()
    clicks = model([sample])[0]["instances"]
    assert len(clicks) <= 1 and set(clicks.pred_classes.tolist()) <= {1}


def test_images_of_different_sizes_name_the_key_to_set():
    with pytest.raises(ValueError, match="INPUT.CROP.SIZE"):
        losses_of(model_of(), [sample_of(), sample_of(size=(41, 48))])


def test_unknown_supervision_is_refused():
    with pytest.raises(ValueError, match="tags or clicks, got 'boxes'"):
        model_of(supervision="boxes")
