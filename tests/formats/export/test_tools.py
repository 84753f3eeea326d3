"""The libraries of the tools read what is written for them; tests skip without them.

They draw outlines in their own ways, hence an IoU of 0.98 instead of equal masks.
"""

import json

import cv2
import numpy as np
import pytest

from bestie.formats import decode_mask
from bestie.formats.export.registry import write_labels
from bestie.formats.export.source import Selection, read_label_set
from tests.formats.export.scenes import CLASSES, write_scene

SIZE = (60, 90)
NAME = "day 1/Übung.png"


def shapes():
    """A disk with a hole and a part beside it, a box at the border, a ring with an island."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    disk = ((y - 20) ** 2 + (x - 22) ** 2 < 18**2) & ~((y - 20) ** 2 + (x - 25) ** 2 < 6**2)
    disk[40:56, 4:20] = True
    box = (y >= 45) & (x >= 70)
    radius = np.hypot(y - 22, x - 65)
    ring = (radius < 20) & ~((radius > 8) & (radius < 14))
    return [(disk, 0, 0.5), (box, 1, 0.25), (ring, 2, 0.75)]


def export(tmp_path, format):
    write_scene(tmp_path, {NAME: shapes(), "empty.png": []}, {NAME: SIZE, "empty.png": (5, 7)})
    labels, data = tmp_path / "labels.json", tmp_path / "photos"
    label_set = read_label_set(labels, data, "train", Selection(), True)
    output = tmp_path / ("out.json" if format == "coco" else "out")
    write_labels(label_set, format, output)
    return output


def same(found):
    """Whether (label, mask) pairs are those of :func:`shapes`, in the same order."""
    assert [label for label, _ in found] == CLASSES
    for (_, mask), (expected, _, _) in zip(found, shapes(), strict=True):
        assert (mask & expected).sum() / (mask | expected).sum() > 0.98


def test_labelme(tmp_path):
    pytest.importorskip("labelme")
    from labelme._label_file import LabelFile
    from labelme.utils import shapes_to_label

    output = export(tmp_path, "labelme")
    file = LabelFile(str(output / "day 1/Übung.json"))
    values = {name: i for i, name in enumerate(CLASSES, 1)}
    classes, instances = shapes_to_label(SIZE, file.shapes, values)
    found = []
    for number in range(1, instances.max() + 1):
        mask = instances == number
        (value,) = np.unique(classes[mask])
        found.append((CLASSES[value - 1], mask))
    same(found)
    assert not LabelFile(str(output / "empty.json")).shapes


def test_yolo(tmp_path):
    supervision = pytest.importorskip("supervision")
    output = export(tmp_path, "yolo")
    data = supervision.DetectionDataset.from_yolo(
        str(output / "images/day 1"),
        str(output / "labels/day 1"),
        str(output / "data.yaml"),
        force_masks=True,
    )
    ((_, _, objects),) = list(data)
    found = [(data.classes[c], m) for c, m in zip(objects.class_id, objects.mask, strict=True)]
    # It rounds corners to the nearest pixel and fills the outline, too: objects get up to a pixel
    # larger, and the line of no width that joins the two parts gets a pixel wide.
    assert [label for label, _ in found] == CLASSES
    for (_, mask), (expected, _, _) in zip(found, shapes(), strict=True):
        larger = cv2.dilate(expected.astype(np.uint8), np.ones((3, 3))).astype(bool)
        assert (mask & expected).sum() > 0.99 * expected.sum()
        assert (mask & ~larger).sum() <= 20


def test_coco(tmp_path):
    supervision = pytest.importorskip("supervision")
    output = export(tmp_path, "coco")
    data = supervision.DetectionDataset.from_coco(
        str(tmp_path / "photos"), str(output), force_masks=True
    )
    objects = {path: objects for path, _, objects in data}[str(tmp_path / "photos" / NAME)]
    found = [(data.classes[c], m) for c, m in zip(objects.class_id, objects.mask, strict=True)]
    same(found)


def test_cvat(tmp_path):
    datumaro = pytest.importorskip("datumaro")
    output = export(tmp_path, "cvat")
    data = datumaro.components.dataset.Dataset.import_from(str(output), "cvat")
    items = {item.id: item for item in data}
    assert set(items) == {"day 1/Übung", "empty"} and not items["empty"].annotations
    names = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    found = []
    for entry in items["day 1/Übung"].annotations:
        if entry.type == datumaro.AnnotationType.polygon:
            mask = decode_mask([entry.points], *SIZE)
        else:
            mask = np.asarray(entry.image, bool)
        found.append((names[entry.label], mask))
    same(sorted(found, key=lambda pair: CLASSES.index(pair[0])))


def test_label_studio(tmp_path):
    converter = pytest.importorskip("label_studio_sdk.converter")
    output = export(tmp_path, "label-studio")
    tasks = json.loads((output / "tasks.json").read_text())
    for number, task in enumerate(tasks, 1):
        # What Label Studio makes of a prediction that an annotator accepts.
        (prediction,) = task.pop("predictions")
        task |= {"id": number, "annotations": [prediction | {"id": number, "completed_by": 1}]}
    accepted = tmp_path / "accepted.json"
    accepted.write_text(json.dumps(tasks))
    config = (output / "config.xml").read_text()
    tool = converter.Converter(config, str(tmp_path), download_resources=False)
    tool.convert_to_coco(str(accepted), str(tmp_path / "coco"), is_dir=False)
    content = json.loads((tmp_path / "coco/result.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    found = [
        (names[e["category_id"]], decode_mask(e["segmentation"], *SIZE))
        for e in content["annotations"]
    ]
    same(found)
