import pytest

from bestie.engine.ledger import LEDGER, classifier_entry, read_ledger, write_ledger_entry
from bestie.files import DataError
from tests.engine.tiny_classifier import write_classifier
from tests.evaluation.tiny_data import write_root


@pytest.fixture
def cfg(tmp_path):
    cfg = write_classifier(tmp_path / "model", write_root(tmp_path / "root"))
    cfg.defrost()
    return cfg


def entry_of(cfg) -> dict:
    return classifier_entry(cfg, "instance cues", "some data", 7, cfg.MODEL.PAM.CUES)


def test_entry_names_what_was_consumed(cfg):
    entry = entry_of(cfg)
    assert entry["consumed"] == [{"labels": "image tags", "data set": "some data", "images": 7}]
    assert entry["classifier"]["file"] == "model.pth"
    assert entry["classifier"]["pretrained"] is None
    assert entry["settings"]["IMAGE_SIZE"] == 64


def test_pretrained_weights_are_named_with_their_labels(cfg):
    cfg.MODEL.TIMM.WEIGHTS, cfg.MODEL.TIMM.WEIGHTS_LABELS = "some/net.pth", "birds of a forest"
    pretrained = entry_of(cfg)["classifier"]["pretrained"]
    assert pretrained == {"file": "net.pth", "labels": "birds of a forest"}
    cfg.MODEL.BACKBONE.NAME = "build_vgg16_backbone"
    assert entry_of(cfg)["classifier"]["pretrained"] is None
    cfg.MODEL.PAM.VGG_WEIGHTS = "vgg.pth"
    assert "ImageNet-1k" in entry_of(cfg)["classifier"]["pretrained"]["labels"]
    cfg.MODEL.BACKBONE.NAME = "build_resnet_backbone"
    assert "not known" in entry_of(cfg)["classifier"]["pretrained"]["labels"]


def test_other_weights_give_another_entry(cfg, tmp_path):
    before = entry_of(cfg)
    assert entry_of(cfg) == before
    with open(tmp_path / "model/model.pth", "ab") as file:
        file.write(b"x")
    assert entry_of(cfg) != before


def test_entries_of_splits_stand_side_by_side(cfg, tmp_path):
    entry = entry_of(cfg)
    assert read_ledger(tmp_path) == {}
    write_ledger_entry(tmp_path, "train", entry)
    write_ledger_entry(tmp_path, "val", {})
    assert read_ledger(tmp_path) == {"train": entry, "val": {}}


def test_a_broken_ledger_is_named(tmp_path):
    (tmp_path / LEDGER).write_text('{"train": ')
    with pytest.raises(DataError, match=LEDGER):
        read_ledger(tmp_path)
