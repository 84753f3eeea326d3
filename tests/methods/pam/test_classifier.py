import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import Backbone, build_model
from detectron2.utils.events import EventStorage
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.backbones.timm_backbone import TimmBackbone
from bestie.backbones.vgg import VGG16
from bestie.config import add_bestie_config
from bestie.methods.pam.classifier import PAMClassifier, PAMHead, peak_attention

NUM_CLASSES = 3


class TinyBackbone(Backbone):
    """Two maps, the deepest of stride 4 with 8 channels."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, stride=4)
        self._out_features = ["shallow", "deep"]
        self._out_feature_channels = {"shallow": 3, "deep": 8}
        self._out_feature_strides = {"shallow": 1, "deep": 4}

    def forward(self, images):
        return {"shallow": images, "deep": self.conv(images)}


def make_classifier(backbone=None, **arguments):
    return PAMClassifier(
        backbone=backbone or TinyBackbone(),
        num_classes=NUM_CLASSES,
        pixel_mean=[100.0, 110.0, 120.0],
        pixel_std=[50.0, 60.0, 70.0],
        head_channels=16,
        **arguments,
    )


def make_cfg():
    cfg = get_cfg()
    add_bestie_config(cfg)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.META_ARCHITECTURE = "PAMClassifier"
    cfg.MODEL.BACKBONE.NAME = "build_vgg16_backbone"
    cfg.MODEL.PAM.NUM_CLASSES = NUM_CLASSES
    return cfg


def make_image(height=32, width=40):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def test_values_below_the_share_of_the_maximum_become_zero_and_get_no_gradient():
    x = torch.tensor([[[[10.0, 7.0, 6.9], [-3.0, 0.0, 9.0]]]], requires_grad=True)
    y = peak_attention(x, 0.7)
    y.sum().backward()
    assert y.tolist() == [[[[10.0, 7.0, 0.0], [0.0, 0.0, 9.0]]]]
    assert x.grad.tolist() == [[[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]]


@settings(max_examples=25, deadline=None)
@given(alpha=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
def test_the_maximum_of_each_channel_survives_and_the_rest_is_kept_or_zero(alpha, seed):
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    y = peak_attention(x, alpha)
    maximum = x.amax(dim=(2, 3)).clamp(min=0)
    assert torch.equal(y.amax(dim=(2, 3)), maximum)
    assert ((y == x) | (y == 0)).all()
    assert (y[y > 0] >= alpha * maximum.min()).all()


def test_alpha_0_is_a_plain_cam_head():
    head = PAMHead(4, num_classes=2, channels=8, alpha=0.0)
    feature = torch.randn(1, 4, 6, 7)
    expected = feature
    for conv in head.convs:
        expected = conv(expected).relu()
    assert torch.equal(head(feature), head.classifier(expected))


@pytest.mark.parametrize("iteration, attends", [(2, False), (3, True)])
def test_training_attends_to_peaks_from_start_iter_on(iteration, attends):
    torch.manual_seed(0)
    classifier = make_classifier(alpha=0.9, start_iter=3)
    labels = torch.tensor([True, False, False])
    batch = [{"image": make_image(), "image_labels": labels}]
    with EventStorage(iteration):
        loss = classifier.train()(batch)["loss_tags"]
    classifier.head.alpha = 0.9 if attends else 0.0
    classifier.start_iter = 0
    assert torch.equal(loss, classifier(batch)["loss_tags"])


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_alpha_outside_0_to_1_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"MODEL.PAM.ALPHA must lie in \[0, 1\], got {alpha}"):
        make_classifier(alpha=alpha)


def test_loss_of_even_scores_is_log_2_and_falls_when_the_tags_are_learnt():
    torch.manual_seed(0)
    model = make_classifier()
    torch.nn.init.zeros_(model.head.classifier.weight)
    batch = [
        {"image": torch.full((3, 16, 16), grey), "image_labels": torch.tensor(tags)}
        for grey, tags in [(0, [True, False, False]), (255, [False, True, True])]
    ]
    assert model(batch)["loss_tags"].item() == pytest.approx(math.log(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(batch)["loss_tags"]
        loss.backward()
        optimizer.step()
    assert loss.item() < math.log(2) / 4
    scores = [found["tag_scores"] for found in model.eval()(batch)]
    assert (torch.stack(scores) > 0.5).tolist() == [s["image_labels"].tolist() for s in batch]


def test_scores_of_an_image_do_not_depend_on_its_batch():
    model = make_classifier().eval()
    images = [make_image(32, 40), make_image(17, 23)]
    together = model([{"image": image} for image in images])
    for image, found in zip(images, together, strict=True):
        assert found["tag_scores"].shape == (NUM_CLASSES,)
        assert torch.equal(model([{"image": image}])[0]["tag_scores"], found["tag_scores"])


def test_activation_maps_are_zero_for_other_classes_and_peak_at_one_for_tags():
    model = make_classifier().eval()
    torch.nn.init.constant_(model.head.classifier.bias, 1.0)  # every map has positive values
    labels = torch.tensor([[True, False, False], [False, True, True]])
    images = torch.stack([make_image(), make_image()])
    maps = model.activation_maps(images, labels, (32, 40))
    assert maps.shape == (2, NUM_CLASSES, 32, 40) and not maps.requires_grad
    torch.testing.assert_close(maps.amax(dim=(2, 3)), labels.float(), rtol=0, atol=1e-4)
    assert maps.min() >= 0


def test_only_maps_of_tags_are_resized(monkeypatch):
    model = make_classifier().eval()
    torch.nn.init.constant_(model.head.classifier.bias, 1.0)
    image, labels = make_image(), torch.tensor([True, False, True])
    full = model.activation_maps(image[None], labels[None], (32, 40))
    resized = []

    def watched(maps, size, resize=torch.nn.functional.interpolate, **options):
        resized.append(len(maps))
        return resize(maps, size, **options)

    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    assert torch.equal(model.tag_maps(image, labels, (32, 40)), full[0, labels])
    model.activation_maps(image[None], labels[None], (32, 40))
    assert resized == [2, 2]
    assert model.tag_maps(image, ~labels & labels, (32, 40)).shape == (0, 32, 40)


def test_activation_maps_without_attention_cover_more():
    torch.manual_seed(0)
    classifier = make_classifier(alpha=0.9).eval()
    tags = torch.ones(1, NUM_CLASSES, dtype=torch.bool)
    given = make_image()[None], tags, (8, 10)
    plain = classifier.activation_maps(*given, attend=False)
    attended = classifier.activation_maps(*given)
    classifier.head.alpha = 0.0
    assert torch.equal(plain, classifier.activation_maps(*given))
    assert not torch.equal(plain, attended)


def test_a_map_without_positive_values_stays_zero():
    model = make_classifier().eval()
    torch.nn.init.constant_(model.head.classifier.bias, -100.0)
    labels = torch.ones(1, NUM_CLASSES, dtype=torch.bool)
    assert not model.activation_maps(make_image().unsqueeze(0), labels, (32, 40)).any()


def test_hrnet_takes_images_of_any_size():
    model = make_classifier(TimmBackbone("hrnet_w18_small", out_features=["res5"])).eval()
    labels = torch.ones(1, NUM_CLASSES, dtype=torch.bool)
    maps = model.activation_maps(make_image(33, 40).unsqueeze(0), labels, (33, 40))
    assert maps.shape == (1, NUM_CLASSES, 33, 40)


def test_the_last_of_the_deepest_maps_is_used():
    assert make_classifier().in_feature == "deep"
    dilated = TimmBackbone("resnet18", output_stride=16)
    assert make_classifier(dilated).in_feature == "res5"


def test_learning_rates_of_biases_and_of_the_extra_layers():
    cfg = make_cfg()
    cfg.SOLVER.BASE_LR = 0.001
    model = make_classifier()
    groups = model.optimizer_parameters(cfg)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    names = dict(model.named_parameters())
    assert len(rates) == len(names) == sum(len(group["params"]) for group in groups)
    for name, factor in [
        ("backbone.conv.weight", 1),
        ("backbone.conv.bias", 2),
        ("head.convs.1.weight", 10),
        ("head.classifier.bias", 20),
    ]:
        assert rates[id(names[name])] == pytest.approx(0.001 * factor)


def test_config_and_keywords_build_the_same_classifier():
    cfg = make_cfg()
    cfg.MODEL.PAM.HEAD_CHANNELS = 16
    cfg.MODEL.PAM.ALPHA = 0.3
    cfg.MODEL.PIXEL_MEAN = [1.0, 2.0, 3.0]
    built = build_model(cfg)
    by_keywords = make_classifier(VGG16(), alpha=0.3)
    assert built.head.alpha == 0.3 and built.pixel_mean.flatten().tolist() == [1.0, 2.0, 3.0]
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in by_keywords.state_dict().items()
    }


def test_number_of_classes_must_be_known():
    cfg = make_cfg()
    cfg.MODEL.PAM.NUM_CLASSES = -1
    with pytest.raises(ValueError, match="MODEL.PAM.NUM_CLASSES must be 1 or more here, got -1"):
        build_model(cfg)


@pytest.mark.parametrize(
    ("classifier_std", "std"), [(0.01, 0.01), (0.316, 0.316), (0.0, math.sqrt(2 / 512))]
)
def test_scale_of_the_last_convolution_is_a_key_and_0_is_that_of_he(classifier_std, std):
    cfg = make_cfg()
    cfg.MODEL.PAM.CLASSIFIER_STD = classifier_std
    cfg.MODEL.PAM.HEAD_CHANNELS = 512
    assert PAMClassifier.from_config(cfg)["classifier_std"] == classifier_std
    torch.manual_seed(0)
    head = PAMHead(8, num_classes=40, channels=512, classifier_std=classifier_std)
    assert head.classifier.weight.std().item() == pytest.approx(std, rel=0.05)


def test_a_feature_map_is_that_of_the_backbone_and_others_are_named():
    classifier = make_classifier().eval()
    image = make_image()
    features = classifier.features(image, "deep")
    expected = classifier.backbone.conv(classifier._normalize(image.unsqueeze(0)))[0]
    assert torch.equal(features, expected)
    with pytest.raises(ValueError, match="must be one of shallow, deep, got res3"):
        classifier.features(image, "res3")


def test_the_backbone_gives_the_map_of_the_affinities_only_with_a_walk():
    cfg = make_cfg()
    cfg.MODEL.PAM.VGG_WEIGHTS = ""
    cfg.MODEL.PAM.MAPS.AFFINITY_FEATURE = "conv4"
    assert list(build_model(cfg).backbone.output_shape()) == ["conv5"]
    cfg.MODEL.PAM.MAPS.AFFINITY_STEPS = 2
    classifier = build_model(cfg).eval()
    assert list(classifier.backbone.output_shape()) == ["conv4", "conv5"]
    assert classifier.in_feature == "conv5"
    assert classifier.features(make_image(), "conv4").shape == (512, 4, 5)
