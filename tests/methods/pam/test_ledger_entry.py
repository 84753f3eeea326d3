"""What the ledger says of a classifier: its labels, its weights, its settings."""

import pytest

from bestie.formats.ledger import write_ledger_entry
from bestie.methods.pam.ledger_entry import classifier_entry, segmenter_entry
from tests.evaluation.tiny_data import write_root
from tests.methods.pam.tiny_classifier import write_classifier
from tests.methods.pam.tiny_segmenter import write_segmenter


@pytest.fixture
def cfg(tmp_path):
    cfg = write_classifier(tmp_path / "model", write_root(tmp_path / "root"))
    cfg.defrost()
    return cfg


def entry_of(cfg) -> dict:
    return classifier_entry(cfg, "instance cues", "some data", 7, cfg.MODEL.PAM.CUES)


def test_entry_names_what_was_consumed(cfg):
    entry = entry_of(cfg)
    consumed = {"kind": "tags", "labels": "image tags", "data set": "some data", "images": 7}
    assert entry["consumed"] == [consumed] and entry["classifier"]["kind"] == "tags"
    assert entry["classifier"]["file"] == "model.pth"
    assert entry["classifier"]["pretrained"] is None
    assert entry["settings"]["IMAGE_SIZE"] == 64


@pytest.mark.parametrize(
    ("settings", "file", "labels", "kind"),
    [
        ({"TIMM.WEIGHTS": "some/net.pth"}, "net.pth", "not known", "unknown"),
        (
            {
                "TIMM.WEIGHTS": "some/net.pth",
                "TIMM.WEIGHTS_KIND": "clicks",
                "TIMM.WEIGHTS_LABELS": "birds of a forest",
            },
            "net.pth",
            "birds of a forest",
            "clicks",
        ),
        (
            {"TIMM.WEIGHTS": "some/net.pth", "TIMM.WEIGHTS_LABELS": "image tags"},
            "net.pth",
            "image tags",
            "unknown",
        ),
        (
            {"BACKBONE.NAME": "build_vgg16_backbone", "PAM.VGG_WEIGHTS": "in/vgg16-397923af.pth"},
            "vgg16-397923af.pth",
            "ImageNet-1k image labels",
            "tags",
        ),
        (
            {"BACKBONE.NAME": "build_vgg16_backbone", "PAM.VGG_WEIGHTS": "segmenter.pth"},
            "segmenter.pth",
            "not known",
            "unknown",
        ),
        (
            {
                "BACKBONE.NAME": "build_vgg16_backbone",
                "PAM.VGG_WEIGHTS": "segmenter.pth",
                "PAM.VGG_WEIGHTS_KIND": "masks",
                "PAM.VGG_WEIGHTS_LABELS": "VOC masks",
            },
            "segmenter.pth",
            "VOC masks",
            "masks",
        ),
        (
            {"WEIGHTS": "whole.pth", "WEIGHTS_KIND": "masks", "WEIGHTS_LABELS": "VOC masks"},
            "whole.pth",
            "VOC masks",
            "masks",
        ),
        (
            {"BACKBONE.NAME": "build_resnet_backbone"},
            "not known",
            "not known: build_resnet",
            "unknown",
        ),
    ],
)
def test_the_training_says_what_it_started_from(cfg, tmp_path, settings, file, labels, kind):
    trained = cfg.clone()
    trained.MODEL.WEIGHTS = ""  # what the training started from
    trained.merge_from_list([x for key in settings for x in (f"MODEL.{key}", settings[key])])
    (tmp_path / "model/config.yaml").write_text(trained.dump())
    pretrained = entry_of(cfg)["classifier"]["pretrained"]
    assert pretrained["file"] == file and pretrained["labels"].startswith(labels)
    assert pretrained["kind"] == kind


@pytest.mark.parametrize("content", [None, "SOMETHING_ELSE: 1\n"])
def test_without_the_config_of_the_training_nothing_is_claimed(cfg, tmp_path, content):
    (tmp_path / "model/config.yaml").unlink()
    if content:
        (tmp_path / "model/config.yaml").write_text(content)
    classifier = entry_of(cfg)["classifier"]
    assert classifier["data sets"] == "not known"
    assert "not known" in classifier["pretrained"]["labels"]
    assert classifier["pretrained"]["kind"] == "unknown"


@pytest.mark.parametrize(
    ("key", "value"), [("MODEL.PAM.ALPHA", 0.1), ("MODEL.PIXEL_STD", [1.0, 1.0, 1.0])]
)
def test_what_the_network_reads_is_recorded(cfg, key, value):
    before = entry_of(cfg)
    cfg.merge_from_list([key, value])
    assert entry_of(cfg)["settings"][key] == value != before["settings"][key]


def test_other_weights_give_another_entry(cfg, tmp_path):
    before = entry_of(cfg)
    assert entry_of(cfg) == before
    with open(tmp_path / "model/model.pth", "ab") as file:
        file.write(b"x")
    assert entry_of(cfg) != before


def test_weak_maps_without_a_ledger_make_the_labels_of_a_segmenter_unknown(tmp_path):
    cfg = write_segmenter(tmp_path / "model", write_root(tmp_path / "root"))

    def consumed() -> list[tuple[str, str]]:
        entry = segmenter_entry(cfg, "maps", "some data", 7, cfg.MODEL.SEMANTIC.MAPS)
        return [(str(part["kind"]), part["labels"]) for part in entry["consumed"]]

    unknown = "not known: no supervision_ledger.json beside the weak maps"
    assert consumed() == [("tags", "image tags"), ("unknown", unknown)]
    masks = {"stage": "by hand", "consumed": [{"kind": "masks", "labels": "outlines"}]}
    write_ledger_entry(tmp_path / "root/WSSS_maps", "train", masks)
    assert consumed() == [("tags", "image tags"), ("masks", "outlines")]
    (tmp_path / "model/config.yaml").unlink()
    assert consumed()[1] == ("unknown", "not known: no config.yaml of the training")
