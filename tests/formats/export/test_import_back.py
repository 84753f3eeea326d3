"""What is exported comes back: ``bestie import`` makes a root with the same masks."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bestie.formats import DatasetFolder, decode_mask, read_coco
from bestie.formats.corrections import replace_labels
from bestie.formats.export.base import ExportOptions
from bestie.formats.labels.importer import import_labels
from tests.formats.export.scenes import CLASSES, write_scene
from tests.formats.export.test_registry import export, scene
from tests.formats.random_masks import masks

# YOLO's lines of four points could be oriented boxes: outlines are named.
NAMED = {"yolo": "yolo-segment"}
# Format -> its labels in the package, and the folder of the photos.
PARTS = {
    "coco": ("out.json", "photos"),
    "labelme": ("out", "out"),
    "cvat": ("out/annotations.xml", "out/images"),
    "label-studio": ("out/accepted.json", "out/images"),
    "yolo": ("out/labels", "out/images"),
}


def export_and_import(folder, format, options=None):
    """Export the scene of a folder and import it again; the json of the new root."""
    export(folder, format, options=options)
    if format == "label-studio":
        accept_predictions(folder / "out")
    labels, photos = (folder / part for part in PARTS[format])
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    given = {"classes": folder / "classes.txt", "val_share": 0, "format": NAMED.get(format)}
    made = import_labels(photos, labels, folder / "root", **given)
    (split,) = made.splits
    return Path(DatasetFolder(folder / "root").ground_truth_json(split))


def accept_predictions(package):
    """What Label Studio exports when an annotator has accepted the predictions of all tasks."""
    tasks = json.loads((package / "tasks.json").read_text())
    for number, task in enumerate(tasks, 1):
        (prediction,) = task.pop("predictions")
        task |= {"id": number, "annotations": [{"id": number, "result": prediction["result"]}]}
    (package / "accepted.json").write_text(json.dumps(tasks))


def objects_of(path):
    """Stem of each image -> (class, mask) of its objects, in any order."""
    coco = read_coco(path)
    images = {image["id"]: image for image in coco["images"]}
    names = {category["id"]: category["name"] for category in coco["categories"]}
    found = {Path(image["file_name"]).stem: [] for image in coco["images"]}
    for entry in coco["annotations"]:
        image = images[entry["image_id"]]
        mask = decode_mask(entry["segmentation"], image["height"], image["width"])
        found[Path(image["file_name"]).stem].append((names[entry["category_id"]], mask.tolist()))
    return {name: sorted(objects) for name, objects in found.items()}


@pytest.mark.parametrize("format", PARTS)
def test_names_classes_sizes_and_empty_images_come_back(tmp_path, format):
    _, images = scene(tmp_path)
    found = objects_of(export_and_import(tmp_path, format))
    ids = dict(
        zip(images, ["plain", "day1_a", "day2_a", "Übersicht_Nr_1", "猫_x_2_y"], strict=True)
    )
    assert found == {
        ids[name]: sorted((CLASSES[c], mask.tolist()) for mask, c, _ in objects)
        for name, objects in images.items()
    }


@pytest.mark.parametrize("format", PARTS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(masks(), st.data())
def test_any_masks_come_back(format, mask, data):
    others = data.draw(st.lists(masks(mask.shape), max_size=2))
    objects = [(m, i, None) for i, m in enumerate([mask, *others])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(folder, {"a.png": objects}, {"a.png": mask.shape})
        found = objects_of(export_and_import(folder, format))
    assert found == {"a": sorted((CLASSES[c], m.tolist()) for m, c, _ in objects)}


@pytest.mark.parametrize("format", ["labelme", "cvat", "label-studio", "yolo"])
def test_outlines_with_a_tolerance_come_back_almost_equal(tmp_path, format):
    y, x = np.mgrid[:120, :160]
    disk = (y - 50) ** 2 + (x - 60) ** 2 < 45**2
    leaf = ((y - 60) / 25) ** 2 + ((x - 110) / 45) ** 2 < 1
    objects = [(disk, 0, None), (leaf & ~disk, 1, None)]
    write_scene(tmp_path, {"a.png": objects}, {"a.png": (120, 160)})
    path = export_and_import(tmp_path, format, ExportOptions(tolerance=0.5))
    found = {name: np.array(mask) for name, mask in objects_of(path)["a"]}
    for mask, class_id, _ in objects:
        back = found[CLASSES[class_id]]
        assert (mask & back).sum() / (mask | back).sum() > 0.98


def test_the_annotators_loop(tmp_path):
    """Export one doubtful image, correct it in LabelMe, import it, and put it into the labels."""
    labels, images = scene(tmp_path)[0], scene(tmp_path)[1]
    (tmp_path / "doubtful.txt").write_text("day1/a.png\n")
    package, _ = export(tmp_path, "labelme", images=tmp_path / "doubtful.txt")
    file = package / "day1/a.json"
    content = json.loads(file.read_text())
    content["shapes"][0] |= {"label": "cat", "points": [[0, 0], [4, 0], [4, 4], [0, 4]]}
    file.write_text(json.dumps(content))
    import_labels(package, package, tmp_path / "root", val_share=0)
    corrected = DatasetFolder(tmp_path / "root").ground_truth_json("train")
    # One photo, whose id is made of its folder in the package, too.
    assert replace_labels(labels, corrected, tmp_path / "merged.json") == (1, 1)
    before, after = objects_of(labels), objects_of(tmp_path / "merged.json")
    square = np.zeros((8, 8), bool)
    square[:4, :4] = True
    changed = [name for name in after if after[name] != before[name]]
    assert len(images) == 5 and changed == ["a"]
    assert ("cat", square.tolist()) in after["a"]
