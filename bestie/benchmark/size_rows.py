"""Rows about the number of images: what a start, an export and an evaluation cost with many.

A hundred images are made in a temporary folder and linked to as many names as are wanted, with
their maps, points and tags. What is remembered about them lies there too, so nothing is known
before. No network is involved.
"""

import gc
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from detectron2.data import DatasetFromList

from bestie.benchmark.data_rows import VOC_SIZE, write_benchmark_root
from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.scaling import LINEAR, fit_exponent
from bestie.benchmark.timing import private_memory, resident_memory
from bestie.data import BatchLoader, build_mapper, build_train_loader, check_datasets
from bestie.data.checks.dataset import inspect_dataset
from bestie.data.registration import load_folder, register_dataset
from bestie.evaluation import evaluate_labels
from bestie.formats import (
    DatasetFolder,
    configs_folder,
    hash_file,
    read_coco,
    read_image,
    read_semantic_map,
    write_coco,
    write_coco_stream,
)
from bestie.formats.dataset_folder import CUES
from bestie.formats.file_memory import FileMemory
from bestie.methods.bestie.baseline import labels_from_components
from bestie.training.pictures import PictureHook
from bestie.training.setup import read_config

__all__ = ["size_rows"]

SIZES, LINKED = (1_000, 10_000, 120_000), 100
NEEDS = {"images", "tags", "maps", "peak_points"}
FIRST, DECODING, LATER = "first check", "decoding alone, images and maps", "later check"
DICTS, SERIALIZED = "dataset dicts", "dataset dicts, serialized for the workers"
START = "start of a training (preset small): settings, check, loader, pictures"
FINGERPRINT = "fingerprint of the images"
# Seconds of what a run does with data that is known already, before it builds a network.
LATER_START = 15.0
# Of a loader, in the rows about memory.
WORKERS = 2


def size_rows(bench: Bench) -> Iterator[Row]:
    """Seconds of every step at each number of images, and how they grow."""
    sizes = (10, 20, 60) if bench.quick else SIZES
    shape = (94, 125) if bench.quick else VOC_SIZE
    seconds: dict[str, list[float]] = {}
    memory: dict[str, float | None] = {}
    of_workers: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, _empty_memory(Path(folder, "cache")):
        base = Path(folder, "base")
        base.mkdir()
        labels = labels_from_components(
            write_benchmark_root(base, min(LINKED, sizes[0]), shape, bench.seed)
        )
        for size in sizes:
            root = _link(base, Path(folder, f"{size}"), size, labels)
            for what, call in _calls(root).items():
                before, started = resident_memory(), time.process_time()
                kept = call()
                seconds.setdefault(what, []).append(time.process_time() - started)
                after = resident_memory()
                memory[what] = None if before is None or after is None else after - before
                if what == SERIALIZED:
                    of_workers.append(_memory_row(size, memory[what], memory_of_workers(kept)))
                del kept
                gc.collect()
    yield from _rows(bench, sizes, seconds, memory)
    yield from of_workers


def memory_of_workers(dicts: Sequence[dict]) -> list[float | None]:
    """What the workers of a loader need for dataset dicts, besides what they share: MiB of each.

    As a loader's workers, they are forks that read one dict after the other, all of them here. The
    growth of the memory that a worker shares with no other process is measured; None: not known,
    also of a worker that ended before it could tell.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return [None] * WORKERS
    context = multiprocessing.get_context("fork")
    workers, ends = [], []
    for _ in range(WORKERS):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=_read_all, args=(dicts, sender))
        worker.start()
        # Only the worker may hold it: nothing is received once the last holder has ended.
        sender.close()
        workers.append(worker)
        ends.append(receiver)
    found = [_received(end) for end in ends]
    for worker in workers:
        worker.join()
    return found


def _received(end: Connection) -> float | None:
    """What a worker sends; None: it ended before."""
    with end:
        try:
            return end.recv()
        except EOFError:
            return None


def _read_all(dicts: Sequence[dict], end: Connection) -> None:
    """Read all dicts in a worker, and send the growth of its private memory, MiB."""
    before = private_memory()
    for index in range(len(dicts)):
        dicts[index]
    after = private_memory()
    end.send(None if before is None or after is None else after - before)


def _memory_row(size: int, process: float | None, workers: Sequence[float | None]) -> Row:
    known = [memory for memory in (process, *workers) if memory is not None]
    text = f"{{:+.1f}} MiB in the process; each of {WORKERS} workers more: "
    text += ", ".join(["{:+.1f} MiB"] * WORKERS)
    return Row(
        "memory of the serialized dataset dicts: resident in the process, private to each forked "
        "worker that reads all of them",
        f"{size:,} images",
        value=text.format(*known) if len(known) == 1 + WORKERS else "not known on this system",
    )


@contextmanager
def _empty_memory(folder: Path) -> Iterator[None]:
    """Remember what is found in files in another folder than usual."""
    key = "BESTIE_CACHE"
    before = os.environ.get(key)
    os.environ[key] = str(folder)
    try:
        yield
    finally:
        del os.environ[key]
        if before is not None:
            os.environ[key] = before


def _link(base: Path, root: Path, number: int, labels: dict[str, Any]) -> Path:
    """A root of ``number`` names of the images of ``base``, with labels of them as COCO JSON."""
    source, target = DatasetFolder(base), DatasetFolder(root)
    ids, tags = source.read_split("train"), source.read_tags()
    names = {f"{index:06d}": ids[index % len(ids)] for index in range(number)}
    folders = (source.image_folder, source.map_folder, source.path(CUES))
    for folder, suffix in zip(folders, (".jpg", ".png", ".txt"), strict=True):
        new = root / Path(folder).name
        new.mkdir(parents=True)
        for name, image_id in names.items():
            os.link(Path(folder, image_id + suffix), new / (name + suffix))
    target.write_class_names(source.read_class_names())
    target.write_split("train", names)
    target.add_tags({name: tags[image_id] for name, image_id in names.items()})
    by_image: dict[int, list[dict]] = {}
    for entry in labels["annotations"]:
        by_image.setdefault(entry["image_id"], []).append(entry)
    images: list[dict] = []
    annotations: list[dict] = []
    for index, name in enumerate(names):
        image = labels["images"][index % len(ids)]
        images.append(image | {"id": index + 1, "file_name": f"{name}.jpg"})
        for entry in by_image.get(image["id"], []):
            place = {"id": len(annotations) + 1, "image_id": index + 1, "score": 0.5}
            annotations.append(entry | place)
    content = labels | {"images": images, "annotations": annotations}
    write_coco(root / "labels.json", content)
    write_coco(target.ground_truth_json("train"), content)
    return root


def _calls(root: Path) -> dict[str, Callable[[], Any]]:
    """What is measured, in this order."""
    folder, labels = DatasetFolder(root), root / "labels.json"
    ids = folder.read_split("train")
    images = [folder.image_file(image_id) for image_id in ids]
    check = partial(inspect_dataset, root, "train", needs=NEEDS)
    return {
        DECODING: lambda: [
            (read_image(image).shape, read_semantic_map(folder.map_file(image_id)).shape)
            for image, image_id in zip(images, ids, strict=True)
        ],
        FIRST: check,
        LATER: check,
        DICTS: lambda: load_folder(str(root), "train"),
        SERIALIZED: lambda: DatasetFromList(load_folder(str(root), "train"), copy=False),
        f"{START}, first": lambda: _start_training(root),
        f"{START}, later": lambda: _start_training(root),
        f"{FINGERPRINT}, first": lambda: _fingerprint(images),
        f"{FINGERPRINT}, later": lambda: _fingerprint(images),
        "writing labels as COCO JSON": lambda: _write_labels(labels),
        "evaluation of labels": lambda: _evaluate(root, labels),
    }


def _start_training(root: Path) -> BatchLoader:
    """All that a training of photographs does with its data before the first step."""
    lists = ["DATASETS.TRAIN", f"('folder:{root}:train',)", "DATASETS.TEST", "()"]
    config = os.path.join(configs_folder(), "pipeline/small/bestie.yaml")
    cfg = read_config(config, [*lists, "INPUT.POINTS_DIR", CUES], testing=False)
    check_datasets(cfg)
    loader, _ = build_train_loader(cfg, build_mapper(cfg, is_train=True))
    PictureHook(cfg, loader)
    return loader


def _fingerprint(files: list[str]) -> None:
    memory = FileMemory("sha256")
    for file in files:
        memory.of(file, partial(hash_file, file))
    memory.save()


def _write_labels(labels: Path) -> None:
    """What joins the labels of a long export to one checked file."""
    coco = read_coco(labels)
    by_image: dict[int, list[dict]] = {image["id"]: [] for image in coco["images"]}
    for entry in coco["annotations"]:
        by_image[entry["image_id"]].append(entry)
    head = {"categories": coco["categories"]}
    write_coco_stream(labels.with_name("copy.json"), head, coco["images"], by_image.values())


def _evaluate(root: Path, labels: Path) -> None:
    name = f"folder:{root}:train"
    register_dataset(name)
    evaluate_labels(labels, name)


def _rows(
    bench: Bench,
    sizes: tuple[int, ...],
    seconds: dict[str, list[float]],
    memory: dict[str, float | None],
) -> Iterator[Row]:
    setting = " / ".join(f"{size:,}" for size in sizes) + " images"
    for what, values in seconds.items():
        exponent = fit_exponent(sizes, values)
        grown = memory[what]
        yield Row(
            what,
            setting,
            value=" / ".join(f"{value:.2f}" for value in values)
            + f" s, exponent {exponent:.2f}"
            + ("" if grown is None else f"; {grown:+.0f} MiB at {sizes[-1]:,}"),
            target=f"linear at worst (exponent <= {LINEAR})",
            met=bench.judge(exponent <= LINEAR),
        )
    number = sizes[-1]
    first, alone = seconds[FIRST][-1], seconds[DECODING][-1]
    yield Row(
        "first check against decoding alone",
        f"{number:,} images",
        value=f"x {first / alone:.2f}; {number / first:.0f} images per second and core",
        target="<= 1.5",
        met=bench.judge(first / alone <= 1.5),
    )
    later = sum(seconds[what][-1] for what in (f"{FINGERPRINT}, later", f"{START}, later"))
    yield Row(
        "data of a later start: fingerprint of the images, later start of a training",
        f"{number:,} images",
        value=f"{later:.1f} s",
        target=f"<= {LATER_START:.0f} s",
        met=bench.judge(later <= LATER_START),
    )
