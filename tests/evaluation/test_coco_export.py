import json
import tracemalloc

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog, build_detection_test_loader
from detectron2.data.datasets import load_coco_json
from detectron2.evaluation import inference_on_dataset
from detectron2.utils import comm
from pycocotools.coco import COCO
from torch import nn

from bestie.data import register_dataset
from bestie.evaluation import COCOExporter, VOCInstanceEvaluator
from bestie.training.launch import launch
from tests.evaluation.tiny_data import (
    CLASS_NAMES,
    HEIGHT,
    OBJECTS,
    WIDTH,
    instances_of,
    rectangle,
    write_root,
)

DOG = (1, 0, 12, 5, 18)


class Oracle(nn.Module):
    """Predicts the objects of each image and a dog of score 0.25, in an order of its own."""

    def forward(self, inputs: list[dict]) -> list[dict]:
        outputs = []
        for record in inputs:
            boxes = [DOG, *OBJECTS[record["image_id"] - 101]]
            scores = [0.25] + [0.9 - 0.1 * number for number in range(len(boxes) - 1)]
            outputs.append({"instances": instances_of(boxes, scores)})
        return outputs


class Constant(nn.Module):
    """Predicts the same for every image."""

    def __init__(self, instances):
        super().__init__()
        self.instances = instances

    def forward(self, inputs):
        return [{"instances": self.instances} for _ in inputs]


def export(name: str, output, model: nn.Module | None = None, **options) -> dict:
    """Run the model over the data set, sharded over the processes of the group."""
    loader = build_detection_test_loader(DatasetCatalog.get(name), mapper=dict)
    exporter = COCOExporter(name, output, **options)
    return inference_on_dataset(model or Oracle(), loader, exporter)


def evaluate(name: str) -> dict:
    loader = build_detection_test_loader(DatasetCatalog.get(name), mapper=dict)
    return inference_on_dataset(Oracle(), loader, VOCInstanceEvaluator(name))


def work_in_every_process(name: str, output: str, results: str) -> None:
    register_dataset(name)
    summary, precision = export(name, output, use_tags=False), evaluate(name)
    assert bool(summary) == bool(precision) == comm.is_main_process()
    with open(f"{results}.{comm.get_rank()}", "w") as file:
        json.dump([comm.get_world_size(), precision], file)


def test_pycocotools_and_detectron2_read_back_what_was_predicted(tmp_path):
    name = write_root(tmp_path / "root")
    output = tmp_path / "out" / "labels.json"
    summary = export(name, output, use_tags=False)["labels"]
    assert summary.labels == 11 and summary.images_without_labels == 0
    coco = COCO(str(output))
    assert sorted(coco.imgs) == [101, 102, 103, 104, 105]
    assert [coco.cats[k]["name"] for k in (1, 2)] == CLASS_NAMES
    assert sorted(coco.anns) == list(range(1, 12))
    for entry in coco.anns.values():
        mask = coco.annToMask(entry)
        assert mask.shape == (HEIGHT, WIDTH) and mask.sum() == entry["area"]
        x, y, width, height = map(int, entry["bbox"])
        assert (mask.astype(bool) == rectangle(y, x, y + height, x + width)).all()
    first = coco.imgToAnns[101]
    assert [entry["category_id"] for entry in first] == [2, 1, 1]
    assert [entry["score"] for entry in first] == [0.25, 0.9, 0.8]
    dicts = load_coco_json(str(output), MetadataCatalog.get(name).image_root, "labels_read_back")
    assert [len(record["annotations"]) for record in dicts] == [3, 2, 1, 3, 2]
    assert [record["file_name"] for record in dicts] == [
        record["file_name"] for record in DatasetCatalog.get(name)
    ]
    assert [p.name for p in output.parent.iterdir()] == ["labels.json"]


@pytest.mark.parametrize(
    ("options", "number_of_labels"),
    [
        ({"use_tags": True}, [2, 2, 0, 3, 2]),
        ({"use_tags": False, "score_threshold": 0.25}, [3, 2, 1, 3, 2]),
        ({"use_tags": False, "score_threshold": 0.26}, [2, 1, 0, 2, 1]),
        ({"use_tags": False, "min_area": 24}, [3, 2, 1, 3, 1]),
        ({"use_tags": False, "min_area": 31}, [2, 1, 0, 2, 0]),
    ],
)
def test_only_labels_that_are_asked_for_are_kept(tmp_path, options, number_of_labels):
    name = write_root(tmp_path / "root")
    export(name, tmp_path / "labels.json", **options)
    coco = COCO(str(tmp_path / "labels.json"))
    assert [len(coco.imgToAnns[image_id]) for image_id in range(101, 106)] == number_of_labels


def test_a_file_without_any_label_still_lists_the_images(tmp_path):
    name = write_root(tmp_path / "root")
    export(name, tmp_path / "labels.json", score_threshold=1)
    content = json.loads((tmp_path / "labels.json").read_text())
    assert len(content["images"]) == 5 and content["annotations"] == []


def test_two_processes_export_and_evaluate_as_one_does(tmp_path):
    name = write_root(tmp_path / "root")
    export(name, tmp_path / "one.json", use_tags=False)
    arguments = (name, str(tmp_path / "two.json"), str(tmp_path / "results"))
    launch(work_in_every_process, 2, args=arguments, device="cpu")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert not (tmp_path / "two.json.parts").exists()
    assert json.loads((tmp_path / "results.0").read_text()) == [2, evaluate(name)]
    assert json.loads((tmp_path / "results.1").read_text()) == [2, {}]


@pytest.mark.parametrize(
    ("boxes", "change", "message"),
    [
        ([(5, 0, 0, 4, 4)], {}, "predicts class 5, but the data set has 2 classes"),
        ([DOG], {"scores": torch.tensor([float("nan")])}, "score predicted for .* is not a number"),
        ([DOG], {"_image_size": (HEIGHT, WIDTH + 1)}, "has the size"),
    ],
)
def test_impossible_predictions_are_refused(tmp_path, boxes, change, message):
    name = write_root(tmp_path / "root")
    instances = instances_of(boxes)
    for key, value in change.items():
        setattr(instances, key, value)
    (tmp_path / "labels.json").write_text("kept")
    with pytest.raises(ValueError, match=message):
        export(name, tmp_path / "labels.json", Constant(instances))
    assert (tmp_path / "labels.json").read_text() == "kept"


def test_a_file_that_detectron2_would_reject_is_not_written(tmp_path, monkeypatch):
    name = write_root(tmp_path / "root")
    records = DatasetCatalog.get(name)
    records[1]["image_id"] = records[0]["image_id"]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    with pytest.raises(ValueError, match="image id 101 occurs 2 times"):
        export(name, tmp_path / "labels.json", Constant(instances_of([DOG])))
    assert not (tmp_path / "labels.json").exists()
    assert not (tmp_path / "labels.json.parts").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_threshold": 1.5}, r"score threshold must lie in \[0, 1\], got 1.5"),
        ({"min_area": 0}, "minimum area must be 1 pixel or more, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, options, message):
    name = write_root(tmp_path / "root")
    with pytest.raises(ValueError, match=message):
        COCOExporter(name, tmp_path / "labels.json", **options)


def test_tags_that_are_missing_are_named(tmp_path):
    name = write_root(tmp_path / "root", tags=False)
    with pytest.raises(ValueError, match="5 images .* have no tags.*img0.png.*--no-tags"):
        COCOExporter(name, tmp_path / "labels.json")
    COCOExporter(name, tmp_path / "labels.json", use_tags=False)


def test_memory_does_not_grow_with_the_images(tmp_path):
    name = write_root(tmp_path / "root")
    exporter = COCOExporter(name, tmp_path / "labels.json", use_tags=False)
    exporter.reset()
    predicted = [{"instances": instances_of([DOG] * 50)}]
    exporter.process([{"image_id": 101}], predicted)
    tracemalloc.start()
    for _ in range(100):
        exporter.process([{"image_id": 101}], predicted)
    growth, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (shard,) = (tmp_path / "labels.json.parts").iterdir()
    assert growth < 50_000 < shard.stat().st_size / 10


def test_masks_as_polygons_are_the_same_masks(tmp_path):
    dataset = write_root(tmp_path / "root")
    register_dataset(dataset)
    for kind in ("rle", "polygons"):
        export(dataset, tmp_path / f"{kind}.json", masks=kind)
    exact, outlined = (COCO(str(tmp_path / f"{kind}.json")) for kind in ("rle", "polygons"))
    assert exact.anns.keys() == outlined.anns.keys()
    for key, entry in outlined.anns.items():
        assert isinstance(entry["segmentation"], list)
        assert (exact.annToMask(exact.anns[key]) == outlined.annToMask(entry)).all()
    with pytest.raises(ValueError, match="rle or polygons"):
        export(dataset, tmp_path / "other.json", masks="png")
