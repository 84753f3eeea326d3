"""The names of ``import bestie``, as docs/python-api.md shows them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bestie
from bestie.formats import DataError, RLEMasks
from tests.conftest import PROJECT
from tests.training.test_export import BESTIE, MASK_RCNN
from tests.training.test_predict import checkpoint

PAGE = (PROJECT / "docs/python-api.md").read_text()


def examples(heading: str) -> list[str]:
    """The code of a section of the page, a text per block."""
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", section, flags=re.M)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in blocks]


@pytest.fixture(scope="module", params=[BESTIE, MASK_RCNN], ids=["bestie", "maskrcnn"])
def training(request, tmp_path_factory) -> Path:
    """OUTPUT_DIR of a training of cats and dogs."""
    folder = tmp_path_factory.mktemp("training")
    checkpoint(folder, request.param)
    return folder


@pytest.fixture(scope="module")
def model(training):
    return bestie.load(training, device="cpu")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)


def test_a_file_a_picture_and_an_array_give_the_same(model, pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = [
        model.predict(given) for given in (tmp_path / "a.png", Image.fromarray(pixels), pixels)
    ]
    assert model.class_names == ["cat", "dog"]
    for other in found:
        assert other.image_size == (20, 40) and isinstance(other.pred_masks, RLEMasks)
        assert np.asarray(other.pred_masks).shape == (len(found[0]), 20, 40)
        assert other.pred_masks.rles == found[0].pred_masks.rles
        assert other.scores.tolist() == sorted(found[0].scores.tolist(), reverse=True)
    some = model.predict(pixels, min_score=float(found[0].scores.median()))
    assert 0 < len(some) <= len(found[0])


def test_a_turned_photo_is_seen_upright(model, pixels, tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a camera held on its side
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    for given in (tmp_path / "a.jpg", Image.open(tmp_path / "a.jpg")):
        assert model.predict(given).image_size == (40, 20)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((4, 4, 3)), TypeError, "must be uint8 .* got float64"),
        (np.zeros((4, 4), np.uint8), ValueError, r"\(H, W, 3\).* got \(4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"got \(0, 4, 3\)"),
        ([1, 2], TypeError, "a path, a PIL image or an array is expected, got list"),
        ("nowhere.jpg", DataError, "nowhere.jpg: .*does not exist"),
    ],
)
def test_other_images_are_refused(model, image, error, message):
    with pytest.raises(error, match=message):
        model.predict(image)
    with pytest.raises(ValueError, match=r"min_score must lie in \[0, 1\], got 2"):
        model.predict(image, min_score=2)


def test_a_picture_that_is_not_one_photo_is_refused_as_its_file_is(model, tmp_path):
    deep, moving = tmp_path / "deep.png", tmp_path / "moving.gif"
    Image.fromarray(np.full((4, 4), 30000, np.uint16)).save(deep)
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    for path, message in ((deep, "8 bits per channel"), (moving, "holds 2 pictures")):
        with Image.open(path) as picture:
            for given, name in ((path, path.name), (picture, "the PIL image")):
                with pytest.raises(DataError, match=f"{name}: .*{message}"):
                    model.predict(given)


def test_a_model_is_found_by_run_training_and_checkpoint(training, tmp_path):
    assert bestie.load(training / "model_final.pth", device="cpu").weights.parent == training
    for name in ("first", "second"):
        (tmp_path / name).symlink_to(training)
    stages = '{"stages": {"check": {}, "first": {}, "second": {}, "report": {}}}'
    (tmp_path / "manifest.json").write_text(stages)
    assert bestie.load(tmp_path, device="cpu").weights == tmp_path / "second/model_final.pth"


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        bestie.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no config.yaml and no model_final.pth"):
        bestie.load(tmp_path)
    (tmp_path / "a.pth").touch()
    with pytest.raises(ValueError, match="a.pth: no config.yaml lies beside it"):
        bestie.load(tmp_path / "a.pth")
    (tmp_path / "manifest.json").write_text('{"stages": {"check": {}}}')
    with pytest.raises(ValueError, match="has not trained a model yet"):
        bestie.load(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="manifest.json is damaged"):
        bestie.load(tmp_path)


def test_mistakes_in_a_run_are_named_before_anything_is_trained(tmp_path):
    with pytest.raises(ValueError, match="root"):
        bestie.run(tmp_path / "root", supervision="tags", output=tmp_path / "run")
    with pytest.raises(ValueError, match="NO.SUCH"):
        bestie.run(tmp_path, supervision="tags", output=tmp_path / "run", options={"x:NO.SUCH": 1})


def test_a_run_takes_the_reading_of_clicks(tmp_path, monkeypatch):
    requests = []
    monkeypatch.setattr("bestie.pipeline.run_pipeline", requests.append)
    given = {"supervision": "clicks", "output": tmp_path / "run", "keypoints": "mean"}
    bestie.run("coco:a.json:photos", boxes_as_clicks=True, **given)
    assert (requests[0].read.keypoints, requests[0].read.boxes_as_clicks) == ("mean", True)
    with pytest.raises(ValueError, match="--keypoints and --boxes-as-clicks go with --data coco"):
        bestie.run(tmp_path, **given)


def test_the_example_of_a_data_set_writes_and_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading, writing = examples("Reading and writing a data set")
    names: dict = {"bestie": bestie, "np": np}
    exec(f"folder = bestie.DatasetFolder('data')\n{writing}{reading}", names)
    assert names["ids"] == ["a", "b"] and names["names"] == ["cat", "dog"]
    assert names["tags"] == {"a": [0], "b": [0, 1]}
    assert names["clicks"].yx.tolist() == [[10.0, 20.0]]


def test_the_example_of_a_photo_runs(training, pixels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()
    (tmp_path / "output/run").symlink_to(training)
    Image.fromarray(pixels).save("photo.jpg")
    names: dict = {"bestie": bestie, "np": np}
    exec(examples("From a run or a checkpoint to the masks of a photo")[0], names)
    assert names["masks"].shape[1:] == (20, 40) and names["masks"].dtype == bool
