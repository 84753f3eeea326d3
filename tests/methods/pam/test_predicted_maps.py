"""Maps that a network predicts which learned weak maps."""

import json

import numpy as np
import pytest

from bestie.formats import read_semantic_map
from bestie.formats.ledger import read_ledger, write_ledger_entry
from bestie.methods.pam.predicted_maps import predict_semantic_maps
from tests.evaluation.tiny_data import HEIGHT, OBJECTS, WIDTH, write_root
from tests.methods.pam.tiny_segmenter import write_segmenter


@pytest.fixture
def name(tmp_path):
    return write_root(tmp_path / "root")


def test_each_image_gets_a_map_of_its_tags_and_both_maps_are_compared_with_the_truth(
    tmp_path, name
):
    cfg = write_segmenter(tmp_path / "model", name)
    report = predict_semantic_maps(cfg, name, tmp_path / "maps", report_dir=tmp_path / "report")
    for number, boxes in enumerate(OBJECTS):
        map_ = read_semantic_map(tmp_path / f"maps/img{number}.png")
        assert map_.shape == (HEIGHT, WIDTH)
        assert set(np.unique(map_)) <= {0, 255, *(box[0] + 1 for box in boxes)}
    assert list(report.mean_iou()) == [
        "weak maps", "before refinement", "after refinement", "as written",
    ]  # fmt: skip
    assert report.mean_iou()["weak maps"] == 100.0  # those of the tiny root are the truth
    content = json.loads((tmp_path / "report/maps.json").read_text())
    assert content["mIoU"] == report.mean_iou()
    assert (tmp_path / "report/maps.png").is_file()


def test_an_interrupted_run_is_resumed(tmp_path, name):
    cfg, folder = write_segmenter(tmp_path / "model", name), tmp_path / "maps"
    predict_semantic_maps(cfg, name, folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    (folder / "img1.png").unlink()
    report = predict_semantic_maps(cfg, name, folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.png")} == before
    assert report.confusions["before refinement"].sum() == HEIGHT * WIDTH
    other = write_segmenter(tmp_path / "model", name, "MODEL.SEMANTIC.MAPS.SCALES", "[1.0]")
    with pytest.raises(ValueError, match="made differently: .* SCALES"):
        predict_semantic_maps(other, name, folder)


def test_without_ground_truth_or_weak_maps_there_is_nothing_to_compare(tmp_path, name):
    cfg = write_segmenter(tmp_path / "model", name, "INPUT.MAPS_DIR", "nowhere")
    report = predict_semantic_maps(cfg, name, tmp_path / "maps")
    assert "weak maps" not in report.confusions
    bare = write_root(tmp_path / "bare", pngs=False, json=False)
    cfg = write_segmenter(tmp_path / "model2", bare)
    assert not predict_semantic_maps(cfg, bare, tmp_path / "maps2").confusions


def test_the_ledger_says_what_the_weak_maps_were_made_of(tmp_path, name):
    tags = {"kind": "tags", "labels": "image tags"}
    classifier = {"file": "classifier.pth", **tags, "pretrained": None}
    weak = {"stage": "semantic maps", "consumed": [tags], "classifier": classifier}
    write_ledger_entry(tmp_path / "root/WSSS_maps", "train", weak)
    cfg = write_segmenter(tmp_path / "model", name)
    predict_semantic_maps(cfg, name, tmp_path / "maps")
    entry = read_ledger(tmp_path / "maps")["train"]
    assert [part["kind"] for part in entry["consumed"]] == ["tags"]
    assert entry["classifier"] == classifier
    assert "predictions" in entry["segmenter"]["trained on"]
    assert entry["segmenter"]["weak maps"] == "WSSS_maps"


def test_another_model_is_refused(tmp_path, name):
    cfg = write_segmenter(tmp_path / "model", name, "MODEL.META_ARCHITECTURE", "PAMClassifier")
    with pytest.raises(ValueError, match="must be WeakMapSegmenter, got PAMClassifier"):
        predict_semantic_maps(cfg, name, tmp_path / "maps")
