"""``bestie export`` of labels that exist already, and of predictions in other formats."""

import json

import numpy as np
import pytest

from bestie.cli import export
from bestie.formats import DataError
from tests.conftest import PROJECT
from tests.formats.export.scenes import READERS, write_scene

SQUARE = np.ones((4, 4), bool)


@pytest.fixture
def scene(tmp_path):
    images = {"a.png": [(SQUARE, 0, 0.9)], "b.png": [(SQUARE, 1, 0.2)]}
    write_scene(tmp_path, images, dict.fromkeys(images, (4, 4)))
    return tmp_path


def run(scene, *arguments):
    export.main([str(argument) for argument in arguments])


def of_labels(scene, *arguments):
    run(scene, "--labels", scene / "labels.json", "--output", scene / "out", *arguments)


def test_labels_to_a_package(scene, capsys):
    (scene / "names.txt").write_text("b\n")
    of_labels(
        scene, "--data", scene / "photos", "--images", scene / "names.txt", "--format", "yolo"
    )
    assert list(READERS["yolo"](scene / "out", None)) == ["b.png"]
    assert capsys.readouterr().out == f"{scene / 'out'}: yolo, 1 images, 1 objects, 3 classes\n"


def test_what_is_left_out_is_printed(scene, capsys):
    arguments = ("--data", scene / "photos", "--format", "labelme", "--score-threshold", "0.5")
    of_labels(scene, *arguments)
    printed = capsys.readouterr().out
    assert "1 images have no object" in printed and "left out: 1 objects under" in printed


def test_true_masks_come_back_out_of_a_root(scene):
    of_labels(scene, "--data", scene / "photos", "--format", "masks")
    run(scene, "--data", scene / "out", "--split", "train_s", "--output", scene / "true.json")
    found = READERS["coco"](scene / "true.json", None)
    assert [label for label, _ in found["a.png"]] == ["cat"] and found["a.png"][0][1].all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "yolo"], "--data is needed"),
        (["--format", "yolo", "--masks", "rle"], "--masks has no effect with --format yolo"),
        (["--format", "masks", "--tolerance", "1"], "--tolerance has no effect"),
        (["--copy"], "--copy has no effect with --format coco"),
        (["--no-tags"], "--no-tags has no effect with --labels"),
        (["--config-file", "x.yaml"], "--config-file has no effect with --labels"),
        (["--split", "train"], "--split has no effect with --labels"),
        (["MODEL.WEIGHTS", "x"], "KEY VALUE has no effect with --labels"),
        ([], "must be a .json file"),
        (["--run", "/nowhere"], "is not the folder of a run"),
    ],
)
def test_options_that_do_not_fit_are_refused(scene, arguments, message):
    with pytest.raises(ValueError, match=message):
        of_labels(scene, *arguments)
    assert sorted(path.name for path in scene.iterdir()) == ["labels.json", "photos"]


def test_an_output_is_not_replaced(scene):
    (scene / "out.json").write_text("{}")
    arguments = ("--labels", scene / "labels.json", "--output", scene / "out.json")
    with pytest.raises(DataError, match="exists already"):
        run(scene, *arguments)
    run(scene, *arguments, "--overwrite", "--masks", "polygons")
    content = json.loads((scene / "out.json").read_text())
    assert [len(entry["segmentation"]) for entry in content["annotations"]] == [1, 1]


def test_a_run_gives_labels_and_photos(scene, monkeypatch):
    from bestie.training.run_files import RunFiles

    (scene / "root").mkdir()
    (scene / "root/JPEGImages").symlink_to("../photos")
    split = scene / "root/ImageSets/Segmentation/train.txt"
    split.parent.mkdir(parents=True)
    split.write_text("a\nb\n")
    files = RunFiles(f"folder:{scene / 'root'}:train", labels=str(scene / "labels.json"))
    monkeypatch.setattr("bestie.cli.export_files.find_run_files", lambda folder: files)
    run(scene, "--run", "any", "--format", "cvat", "--output", scene / "out")
    assert list(READERS["cvat"](scene / "out", None)) == ["a.png", "b.png"]


def test_predictions_are_converted(scene, monkeypatch):
    """The model itself is tested elsewhere: here its COCO json lies ready."""

    def predict(cfg, dataset, output, **options):
        output.write_text((scene / "labels.json").read_text())
        return type("Summary", (), {"table": lambda self: "table"})()

    monkeypatch.setattr(export, "export_pseudo_labels", predict)
    monkeypatch.setattr(export, "setup", lambda args: None)
    monkeypatch.setattr(export, "launch_tool", lambda work, args: work(args))
    dataset = f"coco:{scene / 'labels.json'}:{scene / 'photos'}"
    arguments = ("--dataset", dataset, "--output", scene / "out", "--format", "labelme")
    arguments += ("--config-file", PROJECT / "configs/Base-BESTIE.yaml")
    run(scene, *arguments)
    assert len(READERS["labelme"](scene / "out", None)) == 2
    with pytest.raises(DataError, match="exists already"):
        run(scene, *arguments)
    assert sorted(path.name for path in scene.iterdir()) == ["labels.json", "out", "photos"]


def own_root(scene):
    """A root whose true masks are PNGs, with a json of the same beside it."""
    of_labels(scene, "--data", scene / "photos", "--format", "masks")
    root = (scene / "out").rename(scene / "root")
    run(scene, "--data", root, "--split", "train_s", "--output", scene / "true.json")
    return root


@pytest.mark.parametrize(
    ("format", "place"),
    [
        ("masks", ""),
        ("yolo", "."),
        ("coco", "annotations/instances_train_s.json"),
        ("labelme", "ImageSets/new"),
        ("cvat", "JPEGImages"),
    ],
)
def test_the_data_set_that_is_exported_is_not_written_into(scene, format, place):
    root = own_root(scene)
    before = sorted(scene.rglob("*"))
    output = ("--output", root / place, "--format", format, "--overwrite")
    for source in (["--split", "train_s"], ["--labels", scene / "true.json"]):
        with pytest.raises(DataError, match="the data set that is exported, whose own files"):
            run(scene, "--data", root, *source, *output)
    with pytest.raises(DataError, match="the data set that is exported"):
        photos = ("--data", root / "JPEGImages")
        run(scene, *photos, "--labels", scene / "true.json", *output)
    assert sorted(scene.rglob("*")) == before


def test_labels_may_be_written_beside_the_photos_and_the_own_folders_of_a_root(scene):
    root = own_root(scene)
    arguments = ("--data", root, "--split", "train_s", "--format", "labelme", "--overwrite")
    run(scene, *arguments, "--output", root / "JPEGImages")
    assert len(READERS["labelme"](root / "JPEGImages", None)) == 2
    run(scene, *arguments, "--output", root / "to_correct")


def test_the_labels_that_are_exported_are_not_replaced(scene):
    before = (scene / "labels.json").read_text()
    with pytest.raises(DataError, match="is the file that is exported"):
        of_labels(scene, "--output", scene / "labels.json", "--overwrite")
    assert (scene / "labels.json").read_text() == before


def test_predictions_do_not_replace_the_truth_of_their_data_set(scene):
    root = own_root(scene)
    config = ("--config-file", PROJECT / "configs/Base-BESTIE.yaml")
    for dataset, output in (
        (f"folder:{root}:train_s", root / "annotations/instances_train_s.json"),
        (f"coco:{scene / 'true.json'}:{scene / 'photos'}", scene / "true.json"),
    ):
        with pytest.raises(SystemExit, match="is exported"):
            run(scene, "--dataset", dataset, "--output", output, *config)


def test_a_run_without_finished_labels_is_refused(scene):
    folder = scene / "run"
    (folder / "labels").mkdir(parents=True)
    (folder / "labels/labels.json").write_text("{}")
    stages = {"labels": {"status": "failed", "reason": "no labels"}}
    (folder / "manifest.json").write_text(json.dumps({"stages": stages}))
    with pytest.raises(ValueError, match="no finished labels: stage labels failed: no labels"):
        run(scene, "--run", folder, "--output", scene / "out.json")
