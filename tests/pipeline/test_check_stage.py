"""The check of a run: every mistake of data, settings and weights in one message."""

import json

import pytest

from bestie.backbones import downloads
from bestie.formats import DataError
from bestie.pipeline.check_stage import check_configs, check_data, preset_note, time_note
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from tests.pipeline.tiny_root import write_tiny_root


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def opened(root, supervision="tags"):
    return open_source(Request(str(root), supervision, root.parent / "run"), root)


def check(root, supervision="tags"):
    output = root.parent / "check/dataset.json"
    return output, lambda: check_data(opened(root, supervision), supervision, 0.7, output)


def test_both_splits_are_counted(root):
    output, checked = check(root)
    checked()
    content = json.loads(output.read_text())
    assert {part: split["images"] for part, split in content.items()} == {"train": 3, "val": 2}
    assert content["val"]["objects_per_class"] == {"box": 2}


def test_mistakes_of_both_splits_are_in_one_error_and_in_the_file(root):
    (root / "JPEGImages/train_01.png").write_bytes(b"no picture")
    (root / "JPEGImages/val_00.png").unlink()
    output, checked = check(root)
    with pytest.raises(DataError) as caught:
        checked()
    assert "train_01.png" in str(caught.value) and "val_00" in str(caught.value)
    content = json.loads(output.read_text())
    assert content["train"]["problems"] and content["val"]["problems"]


def test_clicks_are_needed_for_clicks_and_not_for_tags(root):
    (root / "Center_points").mkdir()
    check(root, "tags")[1]()
    with pytest.raises(DataError, match="train_00.txt: file does not exist"):
        check(root, "clicks")[1]()


def test_warnings_are_returned_and_do_not_stop(root):
    lines = (root / "classes.txt").read_text() + "never\n"
    (root / "classes.txt").write_text(lines)
    for split in ("train", "val"):
        path = root / f"annotations/instances_{split}.json"
        content = json.loads(path.read_text())
        content["categories"].append({"id": 2, "name": "never"})
        path.write_text(json.dumps(content))
    warnings = check(root)[1]()
    assert warnings and any("never" in warning for warning in warnings)


def configs(root, *options, preset="quick"):
    request = Request(str(root), "tags", root.parent / "run", preset=preset, options=options)
    return TrainingConfigs(request, open_source(request, root), request.output)


def test_the_trainings_of_the_quick_preset_are_built(root):
    seconds = check_configs(configs(root), ["classifier", "bestie"])
    assert list(seconds) == ["classifier", "bestie"] and min(seconds.values()) > 0
    text = time_note({"classifier": 60.0, "bestie": 125.0})
    assert text.startswith("the trainings take about 3 min 05 s on this computer")
    assert text.endswith("classifier 1 min 00 s, bestie 2 min 05 s")


def test_the_check_says_which_preset_fits(root):
    made = configs(root, "DEVICE", "cpu")
    text = preset_note(made.source, made)
    assert text.startswith("preset quick; --preset small would fit better: 3 training images, ")
    assert "longer side 64 px, the CPU (" in text
    made = configs(root, "DEVICE", "cpu", preset="small")
    assert preset_note(made.source, made).startswith("preset small fits: 3 training images")


def test_problems_of_all_trainings_are_listed_with_their_names(root):
    made = configs(
        root, "classifier:MODEL.PAM.ALPHA", "7.0", "bestie:MODEL.BESTIE.REFINE.KERNEL", "4"
    )
    with pytest.raises(ValueError) as caught:
        check_configs(made, ["classifier", "bestie"])
    first, second = str(caught.value).split("\nbestie: ")
    assert first.startswith("classifier: ") and "MODEL.PAM.ALPHA must lie in" in first
    assert "REFINE.KERNEL must be odd" in second
    check_configs(made, [])  # stages that are replaced are not looked at


def test_weights_that_are_missing_are_named(root, tmp_path):
    made = configs(root, "classifier:MODEL.WEIGHTS", str(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match="classifier: MODEL.WEIGHTS: there is no file .*none.pth"):
        check_configs(made, ["classifier"])


def test_a_preset_without_a_network_names_its_files_after_one_attempt(root, monkeypatch):
    def offline(*args, **kwargs):
        asked.append(args[-1])
        raise OSError("no network")

    asked = []
    monkeypatch.setattr(downloads, "get_hf_file_metadata", offline)
    monkeypatch.setattr(downloads, "try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr(downloads.PathManager, "get_local_path", offline)
    made = configs(root, "DEVICE", "cpu", preset="r50")
    with pytest.raises(ValueError) as caught:
        check_configs(made, ["classifier", "bestie", "maskrcnn"])
    classifier, bestie, maskrcnn = str(caught.value).splitlines()
    assert "https://download.pytorch.org/models/vgg16-397923af.pth" in classifier
    assert "https://huggingface.co/timm/resnet50.tv_in1k/resolve/main/model" in bestie
    assert bestie.startswith("bestie: ") and bestie.endswith("bestie:MODEL.TIMM.WEIGHTS FILE")
    file = "detectron2/ImageNetPretrained/MSRA/R-50.pkl"
    assert f"https://dl.fbaipublicfiles.com/{file}" in maskrcnn
    assert maskrcnn.endswith("maskrcnn:MODEL.WEIGHTS FILE")
    assert len(asked) == 2
