"""A checkpoint on images of no data set: which files are taken, which names the classes get."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from bestie.formats import DataError, read_coco, read_image
from bestie.training.predict import demo_overrides, find_images, run_demo
from bestie.training.run_files import find_checkpoint
from bestie.training.setup import read_config
from tests.evaluation.tiny_data import write_root
from tests.training.test_export import BESTIE, MASK_RCNN, write_checkpoint


def save_image(path: Path, size: tuple[int, int] = (40, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 40)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    save_image(tmp_path / "photos/a.jpg")
    save_image(tmp_path / "photos/below/a.PNG", (30, 50))
    (tmp_path / "photos/broken.jpg").write_bytes(b"no image")
    (tmp_path / "photos/notes.txt").write_text("")
    return tmp_path / "photos"


def checkpoint(folder: Path, text: str) -> tuple[str, list[str]]:
    """A trained-looking run of cats and dogs whose data is gone."""
    name = write_root(folder / "root")
    cfg = write_checkpoint(folder, text, name)
    (folder / "model.pth").rename(folder / "model_final.pth")
    (folder / "config.yaml").write_text(cfg.dump())
    shutil.rmtree(folder / "root")
    config_file, weights = find_checkpoint(folder)
    return str(config_file), ["MODEL.WEIGHTS", str(weights)]


def test_folders_are_searched_and_earlier_overlays_passed_over(photos):
    save_image(photos / "out/overlays/a.jpg")
    found = find_images([photos, photos / "a.jpg"], photos / "out")
    assert [path.relative_to(photos).as_posix() for path in found] == [
        "a.jpg",
        "below/a.PNG",
        "broken.jpg",
    ]


def test_missing_and_empty_inputs_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: is not a file or folder"):
        find_images([tmp_path / "nowhere"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no images \(\.jpg"):
        find_images([tmp_path / "empty"], tmp_path / "out")


@pytest.mark.parametrize("text", [BESTIE, MASK_RCNN], ids=["bestie", "maskrcnn"])
def test_overlays_and_json_of_a_folder(text, tmp_path, photos):
    config_file, weights = checkpoint(tmp_path / "run", text)
    cfg = read_config(config_file, demo_overrides(config_file, weights), training=False)
    result = run_demo(cfg, find_images([photos], tmp_path / "out"), tmp_path / "out", side=600)
    assert result.images == 2 and result.instances > 0
    assert [Path(error.file).name for error in result.unreadable] == ["broken.jpg"]
    coco = read_coco(tmp_path / "out/predictions.json")
    assert [category["name"] for category in coco["categories"]] == ["cat", "dog"]
    sizes = {i["file_name"]: (i["height"], i["width"]) for i in coco["images"]}
    assert sizes == {"a.jpg": (20, 40), "below/a.PNG": (50, 30)}
    assert len(coco["annotations"]) == result.instances
    for name, width in (("a.jpg", 480), ("below/a.PNG.jpg", 288)):
        assert read_image(tmp_path / "out/overlays" / name).shape[1] == width


def test_no_readable_image_is_an_error(tmp_path, photos):
    config_file, weights = checkpoint(tmp_path / "run", BESTIE)
    cfg = read_config(config_file, demo_overrides(config_file, weights), training=False)
    with pytest.raises(ValueError, match="none of the images can be read: .*: is not an image"):
        run_demo(cfg, [photos / "broken.jpg"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def names_of(overrides: list) -> list[str]:
    """The last value of the key, which counts."""
    return dict(zip(overrides[::2], overrides[1::2], strict=True))["DATASETS.CLASS_NAMES"]


def test_class_names_come_from_the_option_the_config_the_data_or_are_numbers(tmp_path, caplog):
    config_file, weights = checkpoint(tmp_path / "run", BESTIE)
    assert names_of(demo_overrides(config_file, weights, ["Katze", "Hund"])) == ["Katze", "Hund"]
    assert names_of(demo_overrides(config_file, weights)) == ["cat", "dog"]
    old = [*weights, "DATASETS.CLASS_NAMES", "[]"]
    at_hand = write_root(tmp_path / "root")
    assert names_of(demo_overrides(config_file, [*old, "DATASETS.TEST", (at_hand,)])) == [
        "cat",
        "dog",
    ]
    nowhere = ["DATASETS.TRAIN", "()", "DATASETS.TEST", "()"]
    assert names_of(demo_overrides(config_file, [*old, *nowhere])) == ["class 0", "class 1"]
    assert "--classes" in caplog.text


def test_wrong_numbers_of_classes_and_classifiers_are_refused(tmp_path):
    config_file, weights = checkpoint(tmp_path / "run", BESTIE)
    with pytest.raises(ValueError, match="--classes holds 3 names, the model has 2 classes"):
        demo_overrides(config_file, weights, ["a", "b", "c"])
    unknown = ["DATASETS.CLASS_NAMES", "[]"]
    for part in ("BESTIE", "PAM", "SOLO", "REFINER", "SEMANTIC"):  # a training fills in all of them
        unknown += [f"MODEL.{part}.NUM_CLASSES", "-1"]
    with pytest.raises(ValueError, match="the classes are unknown"):
        demo_overrides(config_file, [*unknown, "DATASETS.TRAIN", "()", "DATASETS.TEST", "()"])
    with pytest.raises(ValueError, match="PAMClassifier does not predict instances"):
        demo_overrides(config_file, ["MODEL.META_ARCHITECTURE", "PAMClassifier"])


def test_other_classes_than_those_of_the_training_are_refused(tmp_path):
    """A checkpoint evaluated on data whose classes stand in another order would be scored wrong."""
    config_file, _ = checkpoint(tmp_path / "run", BESTIE)
    name = write_root(tmp_path / "root")
    (tmp_path / "root/classes.txt").write_text("dog\ncat\n")
    shutil.rmtree(tmp_path / "root/annotations")
    swapped = name.replace(":train", "/:train")  # another name of the same root
    with pytest.raises(ValueError, match="CLASS_NAMES has the 2 classes"):
        read_config(
            config_file, ["DATASETS.TRAIN", "()", "DATASETS.TEST", (swapped,)], training=False
        )


def test_a_photo_that_is_named_in_several_ways_is_taken_once(photos, tmp_path, monkeypatch):
    (photos / "below/link.jpg").symlink_to(photos / "a.jpg")
    monkeypatch.chdir(tmp_path)
    found = find_images([Path("photos/a.jpg"), photos / "a.jpg", photos], photos / "out")
    assert [path.name for path in found] == ["a.jpg", "a.PNG", "broken.jpg"]
