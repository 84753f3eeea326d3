"""`bestie visualize` on a tiny root: what it accepts and what it says to mistakes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from bestie.cli import visualize as tool
from bestie.formats import read_image, write_coco
from bestie.training import default_config
from bestie.training.run_files import find_run_files
from bestie.visualization.layers import ImageLayers
from tests.conftest import PROJECT
from tests.evaluation.tiny_data import OBJECTS, coco_of

TOOL = PROJECT / "tools/visualize.py"


def run(*arguments) -> None:
    tool.main([str(argument) for argument in arguments])


def test_sheet_of_chosen_images_and_label_files(dataset, tmp_path, capsys):
    write_coco(tmp_path / "labels.json", coco_of([f"img{i}" for i in range(5)], OBJECTS))
    output = tmp_path / "sheet.png"
    labels = [tmp_path / "labels.json", f"BESTIE={tmp_path / 'labels.json'}"]
    run(
        *("--dataset", dataset, "--output", output, "--side", 64, "--layers", "image", "gt"),
        *("--ids", "img3", "101", "--labels", *labels),
    )
    height, width = read_image(output).shape[:2]
    assert width == 4 * 64 + 5 * 8
    assert f"{output}: 2 images, {width} x {height} pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "a.jpg"], r"--output must end in \.png, got a\.jpg"),
        (["--number", "0"], "--number must be 1 or more, got 0"),
        (["--side", "5"], r"--side must lie in \[32, 4096\], got 5"),
        (["--ids", "img0", "img9"], r"--ids: img9 not among the 5 images .*\(img0, img1"),
        (["--labels", "nothing.json"], "nothing.json: file does not exist"),
        (["--labels", "a/x.json", "b/x.json"], "two columns are called 'x'"),
        (["--points", "Peak_points"], "the image has no points in Peak_points"),
        (["--dataset", "voc"], "data set 'voc' is not known"),
    ],
)
def test_mistakes_are_named(dataset, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        run("--dataset", dataset, "--output", tmp_path / "sheet.png", *arguments)
    assert not (tmp_path / "sheet.png").exists()


def test_mistakes_end_in_one_line_without_a_traceback(tmp_path):
    arguments = ["--dataset", f"folder:{tmp_path}/nothing:train", "--output", "sheet.png"]
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(TOOL.parents[1]), "PATH": ""},
    )
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1].startswith("visualize.py: ") and "Traceback" not in done.stderr
    )


def make_run(dataset, folder, with_config=True):
    """What the pipeline leaves of cues, maps and labels of the data set; returns its root."""
    root = Path(dataset.split(":")[1])
    folder.mkdir()
    (folder / "manifest.json").write_text('{"stages": {"labels": {"status": "done"}}}')
    shutil.move(root / "Center_points", folder / "cues")
    shutil.move(root / "WSSS_maps", folder / "maps")
    (folder / "labels").mkdir()
    write_coco(folder / "labels/labels.json", coco_of([f"img{i}" for i in range(5)], OBJECTS))
    if with_config:
        (folder / "bestie").mkdir()
        cfg = default_config()
        cfg.DATASETS.TRAIN, cfg.INPUT.POINT_SCORE_THRESH = (dataset,), 0.3
        (folder / "bestie/config.yaml").write_text(cfg.dump())
    return root


def columns(path):
    return (read_image(path).shape[1] - 8) // (64 + 8)


def test_cues_maps_and_labels_of_a_run_are_shown(dataset, tmp_path):
    folder, output = tmp_path / "run", tmp_path / "sheet.png"
    make_run(dataset, folder)
    run("--run", folder, "--output", output, "--side", 64)
    assert columns(output) == 6  # tags, points, map, pseudo labels, ground truth, labels
    found = find_run_files(folder)
    assert found.dataset == dataset and found.point_score == 0.3
    assert found.points == str(folder / "cues") and found.labels.endswith("labels.json")


def test_folders_of_points_and_maps_can_be_named(dataset, tmp_path):
    folder, output = tmp_path / "run", tmp_path / "sheet.png"
    make_run(dataset, folder, with_config=False)
    options = ("--dataset", dataset, "--output", output, "--side", 64)
    run(*options)
    assert columns(output) == 2  # tags, ground truth
    run(*options, "--points", folder / "cues", "--maps", folder / "maps")
    assert columns(output) == 5
    run(*options, "--run", folder)
    assert columns(output) == 5
    run(*options, "--maps", folder / "maps", "--layers", "map")
    assert columns(output) == 1


def test_supplied_points_and_maps_of_a_run_are_found(dataset, tmp_path):
    folder = tmp_path / "run"
    root = make_run(dataset, folder)
    shutil.move(folder / "cues", root / "Peak_points")
    shutil.move(folder / "maps", root / "WSSS_maps")
    found = find_run_files(folder)
    assert found.points == str(root / "Peak_points") and found.maps == str(root / "WSSS_maps")


def test_mistakes_about_runs_and_folders_are_named(dataset, tmp_path):
    output = ("--output", tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="give --dataset, or --run"):
        run(*output)
    with pytest.raises(ValueError, match="is not the folder of a run"):
        run(*output, "--run", tmp_path)
    make_run(dataset, tmp_path / "run", with_config=False)
    with pytest.raises(ValueError, match="give --dataset; .*run does not name its data yet"):
        run(*output, "--run", tmp_path / "run")
    options = (*output, "--dataset", dataset)
    with pytest.raises(ValueError, match="nothing: is not a folder"):
        run(*options, "--maps", tmp_path / "nothing")
    with pytest.raises(ValueError, match="does not hold img0.png nor any other image's"):
        run(*options, "--maps", tmp_path / "run/cues")


def write_labels(path, *names):
    """A COCO json with one object per image, of a category of its own."""
    images = [
        {"id": i, "file_name": name, "height": 40, "width": 60} for i, name in enumerate(names)
    ]
    square = {"bbox": [5, 5, 20, 20], "area": 400, "segmentation": [[5, 5, 25, 5, 25, 25, 5, 25]]}
    annotations = [
        square | {"id": i + 1, "image_id": i, "category_id": i + 1, "iscrowd": 0}
        for i in range(len(names))
    ]
    categories = [{"id": i, "name": f"c{i}"} for i in (1, 2)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def test_images_of_one_name_in_two_folders_stay_apart(tmp_path, monkeypatch):
    for folder in ("d1", "d2"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        Image.new("RGB", (60, 40)).save(tmp_path / "photos" / folder / "a.png")
    labels = write_labels(tmp_path / "l.json", "d1/a.png", "d2/a.png")
    dataset = f"coco:{labels}:{tmp_path / 'photos'}"
    options = ("--dataset", dataset, "--output", tmp_path / "v.png", "--layers", "gt")
    seen = []

    def draw_annotations(self, annotations):
        seen.append((self.name, [row["class_id"] for row in annotations]))
        return self.photo

    monkeypatch.setattr(ImageLayers, "draw_annotations", draw_annotations)
    run(*options, "--labels", f"x={labels}")
    assert seen == [("d1/a", [0]), ("d2/a", [1])]
    seen.clear()
    run(*options, "--labels", f"x={labels}", "--ids", "d2/a")
    assert seen == [("d2/a", [1])]
    with pytest.raises(ValueError, match="--ids: a stands for 2 images: d1/a, d2/a"):
        run(*options, "--ids", "a")
    bare = write_labels(tmp_path / "bare.json", "a.png")
    with pytest.raises(ValueError, match="'a.png' stands for several"):
        run(*options, "--labels", f"x={bare}", "--ids", "d1/a")


def test_true_masks_of_a_json_are_shown(dataset, tmp_path, monkeypatch):
    root, output = Path(dataset.split(":")[1]), tmp_path / "sheet.png"
    for name in ("SegmentationObject", "SegmentationClass"):
        shutil.rmtree(root / name, ignore_errors=True)
    assert (root / f"annotations/instances_{dataset.split(':')[2]}.json").is_file()
    drawn = []
    monkeypatch.setattr(
        "bestie.visualization.layers.draw_instances",
        lambda image, masks, texts: drawn.append(len(masks)) or image,
    )
    run("--dataset", dataset, "--output", output, "--side", 64, "--layers", "gt")
    assert drawn == [len(objects) for objects in OBJECTS]


def test_images_that_lack_a_layer_say_so(dataset, tmp_path):
    """As after ``bestie split``, where only the weak images have points."""
    root, output = Path(dataset.split(":")[1]), tmp_path / "sheet.png"
    options = ("--dataset", dataset, "--output", output, "--side", 64)
    for image in ("img0", "img3"):
        (root / f"Center_points/{image}.txt").unlink()
    (root / "WSSS_maps/img1.png").unlink()
    run(*options)
    assert columns(output) == 5  # tags, points, map, pseudo labels, ground truth
    shutil.rmtree(root / "WSSS_maps")
    run(*options)
    assert columns(output) == 3
    with pytest.raises(ValueError, match="the image has no weak semantic map"):
        run(*options, "--layers", "map")


def test_images_are_chosen_among_those_of_the_label_files(dataset, tmp_path, monkeypatch):
    output, labels = tmp_path / "sheet.png", tmp_path / "labels.json"
    write_coco(labels, coco_of(["img3"], OBJECTS[3:4]))
    shown = []
    monkeypatch.setattr(
        ImageLayers,
        "draw_annotations",
        lambda self, found: shown.append((self.name, len(found))) or self.photo,
    )
    options = ("--dataset", dataset, "--output", output, "--labels", labels, "--number", "2")
    run(*options)
    run(*options, "--ids", "img0", "img3")  # img0 is not in the file
    assert shown == [("img3", 2), ("img3", 2)]
