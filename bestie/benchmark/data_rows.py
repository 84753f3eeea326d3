"""Rows about data: throughput of the loader, speed and memory of the export.

Images and labels are made in a temporary folder.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data import transforms as T
from detectron2.structures import Instances
from PIL import Image

from bestie.benchmark.network_rows import build_network, network_names
from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.scenes import DENSITIES, Scenes, simulate
from bestie.benchmark.timing import measure, resident_memory
from bestie.data import build_mapper, build_train_loader, register_dataset
from bestie.data.augmentation import augment
from bestie.data.crop_augmentation import build_crop_augmentation
from bestie.evaluation import COCOExporter
from bestie.formats import DatasetFolder, Points, read_image, write_points, write_semantic_map
from bestie.formats.dataset_folder import CUES
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.meta_arch import to_instances
from bestie.training.setup import default_config

__all__ = ["VOC_SIZE", "export_memory", "export_rows", "loader_rows", "write_benchmark_root"]

VOC_SIZE = (375, 500)
CLASSES = 20
# Images of the export; resident memory is compared between the first of these and the end.
EXPORTED, SETTLED = 10_000, 500


def loader_rows(bench: Bench) -> Iterator[Row]:
    """The training loader against one that decodes and augments the photographs, and no more."""
    images, size = (8, (94, 125)) if bench.quick else (48, VOC_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        name = write_benchmark_root(Path(folder), images, size, bench.seed)
        for workers in bench.workers:
            cfg = _loader_config(name, workers)
            mappers: dict[str, Callable[[dict], dict]] = {
                "training loader": build_mapper(cfg, is_train=True),
                "decode and augment": partial(_decode_and_augment, build_crop_augmentation(cfg)),
            }
            measured = {}
            for what, mapper in mappers.items():
                batches = iter(build_train_loader(cfg, mapper)[0])
                call = partial(_consume, batches, images // cfg.SOLVER.IMS_PER_BATCH)
                measured[what] = measure(
                    call, torch.device("cpu"), bench.repeat, wall_clock=workers > 0
                )
                del batches, call  # with the worker processes
            setting = f"{size[0]}x{size[1]} JPEG, {workers} workers"
            for what, measurement in measured.items():
                yield bench.row(what, setting, measurement, images)
            whole, alone = (measured[what].median for what in mappers)
            yield Row(
                "training loader against decode and augment",
                setting,
                value=f"x {whole / alone:.2f}, {images / whole:.0f} images a second",
                target="<= 1.5",
                met=bench.judge(whole / alone <= 1.5),
            )


def write_benchmark_root(root: Path, images: int, size: tuple[int, int], seed: int) -> str:
    """A data root with medium scenes; returns the name of the data set."""
    folder, tags = DatasetFolder(root), {}
    for number in range(images):
        scene, name = _scene("medium", size, seed + number).samples[0], f"{number:05d}"
        photograph = np.kron(scene["image"].numpy()[:, ::8, ::8], np.ones((1, 8, 8), np.uint8))
        path = Path(folder.image_file(name))
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(photograph[:, : size[0], : size[1]].transpose(1, 2, 0)).save(path)
        write_semantic_map(folder.map_file(name), scene["semantic_map"].numpy())
        classes = scene["point_classes"].numpy()
        points = Points(scene["points"].numpy(), classes, np.ones(len(classes), np.float32))
        write_points(folder.points_file(name, CUES), points)
        tags[name] = set(classes.tolist())
    folder.write_class_names([f"class{number}" for number in range(CLASSES)])
    folder.write_split("train", tags)
    folder.add_tags(tags)
    dataset = f"folder:{root}:train"
    register_dataset(dataset)
    return dataset


def _loader_config(dataset: str, workers: int) -> CfgNode:
    """The paper's augmentation, on this data set."""
    cfg = default_config()
    cfg.DATASETS.TRAIN = (dataset,)
    cfg.DATALOADER.NUM_WORKERS = workers
    cfg.INPUT.FORMAT, cfg.INPUT.RANDOM_FLIP = "RGB", "horizontal"
    cfg.INPUT.CROP.ENABLED, cfg.INPUT.CROP.TYPE = True, "absolute"
    cfg.INPUT.CROP.SIZE = [416, 416]
    cfg.MODEL.BESTIE.NUM_CLASSES = CLASSES
    cfg.SOLVER.IMS_PER_BATCH = 4
    return cfg


def _decode_and_augment(augmentation: list, record: dict) -> dict:
    image, *_ = augment(T.AugmentationList(augmentation), read_image(record["file_name"], "RGB"))
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return {"image": tensor, "height": record["height"], "width": record["width"]}


def _consume(batches: Iterator[list[dict]], number: int) -> None:
    for _ in itertools.islice(batches, number):
        pass


def export_rows(bench: Bench) -> Iterator[Row]:
    """Time that the export adds to inference, and memory of a long export."""
    yield from _export_speed(bench)
    yield export_memory(bench)


def _export_speed(bench: Bench) -> Iterator[Row]:
    size = (94, 125) if bench.quick else VOC_SIZE
    name, _ = network_names(bench)
    model = build_network(name, CLASSES, bench.device).eval()
    model.inference_settings = type(model.inference_settings)(flip=True)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    with torch.inference_mode():
        inference = measure(lambda: model([{"image": image}]), bench.device, min(bench.repeat, 3))
    setting = f"{name}, {size[0]}x{size[1]}, mirrored"
    yield bench.row("inference, no export", setting, inference)
    for density in DENSITIES:
        outputs = _instances(_scene(density, size, bench.seed), bench.device)
        with tempfile.TemporaryDirectory() as folder:
            exporter = _exporter(Path(folder), 1 + bench.repeat, size)
            exporter.reset()
            image_ids = itertools.count(1)
            call = partial(_export_next, exporter, image_ids, outputs)
            measurement = measure(call, bench.device, bench.repeat)
            exporter.evaluate()
        speed = inference.median / (inference.median + measurement.median)
        yield bench.row(
            "export of an image",
            f"{size[0]}x{size[1]}, {density}, {len(outputs)} instances",
            measurement,
            value=f"{100 * speed:.1f} % of bare inference speed",
            target=">= 90 %",
            met=bench.judge(speed >= 0.9),
        )


def export_memory(bench: Bench) -> Row:
    """Resident memory of an export, its end (joining and checking the file) included."""
    total, settled = (200, 100) if bench.quick else (EXPORTED, SETTLED)
    size = (48, 64)
    outputs = [_instances(_scene("medium", size, seed), bench.device) for seed in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        exporter, image_ids = _exporter(Path(folder), total, size), itertools.count(1)
        exporter.reset()
        for number in range(total):
            _export_next(exporter, image_ids, outputs[number % len(outputs)])
            if number + 1 == settled:
                before = resident_memory()
        exporter.evaluate()
        after = resident_memory()
        megabytes = (Path(folder) / "labels.json").stat().st_size / 2**20
    growth = None if before is None or after is None else after - before
    value = (
        "not known on this system"
        if growth is None
        else f"{before:.1f} MiB after {settled}, {after:.1f} at the end"
    )
    return Row(
        "resident memory of the export",
        f"{total} images of {size[0]}x{size[1]}, {megabytes:.1f} MiB of json",
        peak_memory=after,
        value=value,
        target=f"no growth after {SETTLED} images (2 MiB allowed)",
        met=None if growth is None else bench.judge(growth <= 2),
    )


def _export_next(exporter: COCOExporter, image_ids: Iterator[int], outputs: Instances) -> None:
    exporter.process([{"image_id": next(image_ids)}], [{"instances": outputs}])


def _exporter(folder: Path, images: int, size: tuple[int, int]) -> COCOExporter:
    """An exporter for images that exist by name only, numbered from 1."""
    name = f"benchmark:{folder}"
    records = [
        {
            "image_id": number,
            "file_name": str(folder / f"{number}.jpg"),
            "height": size[0],
            "width": size[1],
        }
        for number in range(1, images + 1)
    ]
    DatasetCatalog.register(name, lambda: records)
    names = [f"class{number}" for number in range(CLASSES)]
    MetadataCatalog.get(name).set(thing_classes=names, image_root=str(folder))
    try:
        return COCOExporter(name, folder / "labels.json", use_tags=False)
    finally:
        DatasetCatalog.remove(name)


def _instances(scenes: Scenes, device: torch.device) -> Instances:
    """The grouped instances of a scene as the model returns them."""
    maps = scenes.to(device)
    found = group_pixels(maps.logits[0].softmax(0), maps.center[0], maps.offset[0])
    return to_instances(found)


def _scene(density: str, size: tuple[int, int], seed: int) -> Scenes:
    fewest, most, coverage = DENSITIES[density]
    return simulate((fewest, most), coverage, size, 1, CLASSES, seed)
