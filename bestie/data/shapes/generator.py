"""The built-in data set: rendered scenes in the folder contract, without any download.

``render`` draws the scenes. The same seed gives the same bytes; an image does not depend on how
many there are. The weak maps are the truth, degraded at random as a weakly supervised method would:
they are not the output of a method, and results obtained with them are not results of a weakly
supervised pipeline.
"""

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bestie import formats
from bestie.data.shapes.objects import CLASS_NAMES
from bestie.data.shapes.render import Scene, draw_scene
from bestie.data.shapes.sprites import smooth_noise
from bestie.formats import DatasetFolder
from bestie.formats.dataset_folder import CLICKS
from bestie.formats.instances import clicks_of_instances, coco_annotations, coco_categories
from bestie.progress import track
from bestie.regions.components import count_points, find_components

__all__ = [
    "Settings",
    "Summary",
    "degrade_map",
    "draw_contact_sheet",
    "make_shapes",
]

# Increased whenever the same settings would give other files.
VERSION = 4
RECORD = "shapes.json"
SIDES = (0.875, 1.0, 1.125)
SPLITS = ("train", "val")
# Images that are worth a process of their own to draw.
MIN_PER_PROCESS = 50


@dataclass(frozen=True)
class Settings:
    """Settings that determine the content of the data set.

    Attributes:
        seed: of everything random.
        train, val: number of images of the two splits.
        size: mean side of an image, pixels; sides are 0.875, 1 or 1.125 times this.
        tags_only: leave out clicks and weak maps, so that only tags are there to train on.
    """

    seed: int = 0
    train: int = 400
    val: int = 100
    size: int = 160
    tags_only: bool = False

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("train", 1), ("val", 1), ("size", 64)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"--{name} must be {least} or more, got {value}")


@dataclass
class Summary:
    """Numbers of one split, added up image by image."""

    images: int = 0
    per_image: list[int] = field(default_factory=list)
    per_class: np.ndarray = field(default_factory=lambda: np.zeros(len(CLASS_NAMES), int))
    # Pixels by truth (rows) and weak map (columns).
    confusion: np.ndarray = field(
        default_factory=lambda: np.zeros((len(CLASS_NAMES) + 1,) * 2, int)
    )
    touching: int = 0
    components: int = 0
    single_click: int = 0
    recalled: int = 0

    def add(self, scene: Scene, weak_map: np.ndarray, clicks: formats.Points) -> None:
        """Add the numbers of one image."""
        truth = semantic_map(scene)
        number = len(scene.classes)
        self.images += 1
        self.per_image.append(number)
        np.add.at(self.per_class, scene.classes, 1)
        np.add.at(self.confusion, (truth, weak_map), 1)
        # Objects that share a component of the true map with another one of their class.
        together = find_components(truth, scene.classes, min_area=1)
        pairs = np.unique(np.stack([together.map, scene.instance_map])[:, truth > 0], axis=1)
        crowded = np.bincount(pairs[0]) > 1
        self.touching += len(np.unique(pairs[1, crowded[pairs[0]]]))
        weak = find_components(weak_map, scene.classes)
        self.components += len(weak)
        clicked = count_points(weak, clicks.yx, clicks.classes)
        self.single_click += int((clicked == 1).sum())
        for i, class_id in enumerate(scene.classes):
            mask = scene.instance_map == i + 1
            inside = np.bincount(weak.map[mask], minlength=len(weak) + 1)[1:]
            iou = inside / (weak.areas + mask.sum() - inside)
            self.recalled += bool((iou[weak.classes == class_id] >= 0.5).any())

    @property
    def instances(self) -> int:
        return sum(self.per_image)

    @property
    def mean_iou(self) -> float:
        """mIoU of the weak maps in percent, over background and the classes that occur."""
        hit = np.diag(self.confusion)
        union = self.confusion.sum(0) + self.confusion.sum(1) - hit
        return float(100 * (hit / np.maximum(union, 1))[self.confusion.sum(1) > 0].mean())

    def table(self) -> dict[str, Any]:
        """The numbers as shown and recorded; shares in percent of the instances."""
        share = 100 / max(self.instances, 1)
        classes = zip(CLASS_NAMES, self.per_class, strict=True)
        return {
            "images": self.images,
            "instances": self.instances,
            "instances per image": round(self.instances / max(self.images, 1), 2),
            "touching one of their class, %": round(self.touching * share, 1),
            "weak maps, mIoU %": round(self.mean_iou, 1),
            "weak components (>= 50 px)": self.components,
            "... with exactly one click": self.single_click,
            "... over instances, %": round(self.single_click * share, 1),
            "baseline (component = instance), recall at IoU 0.5, %": round(
                self.recalled * share, 1
            ),
            "instances per class": " ".join(f"{name} {number}" for name, number in classes),
        }


def is_built_in(root: Path) -> bool:
    """Whether a root is the built-in data set, or links to it."""
    return (root / RECORD).is_file()


def make_shapes(output: Path, settings: Settings) -> dict[str, Any]:
    """Make the data set, unless it exists already; an interruption leaves no partial data set.

    Args:
        output: folder to create.
        settings: see :class:`Settings`.

    Returns:
        The record that also stands in ``shapes.json``: version, settings and, a split, its numbers.

    Raises:
        formats.DataError: ``output`` exists and is not what these settings give.
    """
    expected = {"version": VERSION, "settings": asdict(settings)}
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        return _existing_record(output, expected)
    output.parent.mkdir(parents=True, exist_ok=True)
    build = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        record = {**expected, "splits": _write_root(build, settings)}
        with formats.atomic_write(build / RECORD) as file:
            json.dump(record, file, indent=1)
        build.chmod(0o755)
        build.replace(output)
    except BaseException:
        shutil.rmtree(build)
        raise
    return record


def _existing_record(output: Path, expected: dict[str, Any]) -> dict[str, Any]:
    record = output / RECORD
    found = json.loads(record.read_text()) if record.is_file() else {}
    if {key: found.get(key) for key in expected} != expected:
        what = {key: found.get(key) for key in expected} if found else f"no {RECORD}"
        raise formats.DataError(
            f"exists, with {what}; requested were {expected}. Remove it or name another --output",
            output,
        )
    return found


def _write_root(root: Path, settings: Settings) -> dict[str, Any]:
    folder = DatasetFolder(root)
    folder.write_class_names(CLASS_NAMES)
    tables, tags = {}, {}
    for split in SPLITS:
        number = getattr(settings, split)
        ids = [f"{split}_{i:05d}" for i in range(number)]
        summary = Summary()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        scenes = _draw_all(settings, split)
        for i, image_id in enumerate(track(ids, f"shapes {split}")):
            scene, weak_map = next(scenes)
            height, width = scene.instance_map.shape
            tags[image_id] = set(scene.classes.tolist())
            clicks = clicks_of_instances(scene.instance_map, scene.classes)
            _write_image(folder, image_id, scene)
            if not settings.tags_only:
                formats.write_semantic_map(folder.map_file(image_id), weak_map)
                formats.write_points(folder.points_file(image_id, CLICKS), clicks)
            entry = {"id": i + 1, "file_name": f"{image_id}.jpg", "height": height, "width": width}
            images.append(entry)
            annotations += coco_annotations(
                scene.instance_map, scene.classes, image_id=i + 1, first_id=len(annotations) + 1
            )
            summary.add(scene, weak_map, clicks)
        folder.write_split(split, ids)
        coco = {
            "info": {"description": "built-in shapes: rendered scenes, see datasets/README.md"},
            "images": images,
            "annotations": annotations,
            "categories": coco_categories(CLASS_NAMES),
        }
        formats.write_coco(folder.ground_truth_json(split), coco)
        tables[split] = summary.table()
    folder.add_tags(tags)
    return tables


def _draw_all(settings: Settings, split: str) -> Iterator[tuple[Scene, np.ndarray]]:
    """Scenes of a split with their weak maps, in order, drawn on all cores if they are many."""
    number = getattr(settings, split)
    tasks = [(settings, split, i) for i in range(number)]
    processes = min(os.cpu_count() or 1, number // MIN_PER_PROCESS)
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(_draw, tasks)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_draw, tasks, chunksize=4)


def _draw(task: tuple[Settings, str, int]) -> tuple[Scene, np.ndarray]:
    """Scene and weak map of image ``i`` of a split; a function of the seed, the split and ``i``."""
    settings, split, i = task
    rng = np.random.default_rng([settings.seed, SPLITS.index(split), i])
    height, width = (round(settings.size * side) for side in rng.choice(SIDES, 2))
    scene = draw_scene(rng, height, width, i % len(CLASS_NAMES))
    return scene, degrade_map(rng, scene)


def _write_image(folder: DatasetFolder, image_id: str, scene: Scene) -> None:
    """Write the image and its true masks."""
    ok, jpeg = cv2.imencode(".jpg", scene.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert ok
    with formats.atomic_write(folder.image_file(image_id), "wb") as file:
        file.write(jpeg.tobytes())
    instances, classes = folder.mask_files(image_id)
    formats.write_semantic_map(classes, semantic_map(scene))
    formats.write_semantic_map(instances, scene.instance_map)


def semantic_map(scene: Scene) -> np.ndarray:
    """The true semantic map: (H, W) uint8, 0 background, class + 1."""
    return np.append(0, scene.classes + 1).astype(np.uint8)[scene.instance_map]


# ------------------------------------------------------------------------------- weak maps

# Everything is drawn per object; lengths are shares of s = sqrt(area of the object). Chosen once so
# that the mIoU of the default data set is near 70 %.
MISS = (
    0.05,
    0.12,
)  # probability that an object is not found: large (s of 40 px) and small (s of 15 px)
GROWTH = (0.0, 0.05)  # mean and standard deviation of the shift of the outline
WAVES = (0.05, 0.35)  # standard deviation and correlation length of the outline's waves
CUT = 0.25  # probability that one end of the object is not found
HOLE = 0.15  # probability of a hole
BLOBS = 0.8  # mean number of spurious blobs per image
OTHER_CLASS = 0.2  # share of the blobs that carry another class than those of the image


def degrade_map(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """A weak semantic map of a scene: its true map with the mistakes of a weakly supervised method.

    Objects are missed, partly found (one end is lost), grown or shrunk with a wavy outline, have
    holes; where nothing is, blobs of a class appear.

    Returns:
        (H, W) uint8, 0 background, class + 1.
    """
    shape = scene.instance_map.shape
    weak_map = np.zeros(shape, np.uint8)
    areas = np.bincount(scene.instance_map.ravel(), minlength=len(scene.classes) + 1)[1:]
    for i in np.argsort(-areas, kind="stable"):
        s = float(np.sqrt(areas[i]))
        inner = (scene.instance_map == i + 1).astype(np.uint8)
        if rng.random() < np.interp(s, (15, 40), MISS[::-1]):
            continue
        weak_map[_degrade_mask(rng, inner, s)] = scene.classes[i] + 1
    for _ in range(rng.poisson(BLOBS)):
        class_id = int(rng.choice(scene.classes))
        if rng.random() < OTHER_CLASS:
            class_id = int(rng.integers(len(CLASS_NAMES)))
        y, x = rng.uniform(0, 1, 2) * shape
        radius = rng.uniform(0.03, 0.08) * min(shape)
        blob = _blob(rng, shape, y, x, radius) & (scene.instance_map == 0)
        weak_map[blob & (weak_map == 0)] = class_id + 1
    return weak_map


def _degrade_mask(rng: np.random.Generator, mask: np.ndarray, s: float) -> np.ndarray:
    """(H, W) bool: a 0/1 uint8 mask as a weak method would find it."""
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    depth: np.ndarray = cv2.GaussianBlur(inside - outside, (0, 0), max(0.05 * s, 0.5))
    depth += rng.normal(*GROWTH) * s
    depth += WAVES[0] * s * smooth_noise(rng, mask.shape, WAVES[1] * s)
    rows, columns = np.nonzero(mask)
    middle = rows.mean(), columns.mean()
    if rng.random() < CUT:
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
        along = (y - middle[0]) * np.sin(angle) + (x - middle[1]) * np.cos(angle)
        edge = rng.uniform(0.05, 0.4) * s
        depth = np.minimum(depth, edge - along + 0.06 * s * smooth_noise(rng, mask.shape, 0.3 * s))
    found = depth > 0
    if rng.random() < HOLE:
        pixel = rng.integers(len(rows))
        radius = rng.uniform(0.1, 0.22) * s
        found &= ~_blob(rng, mask.shape, rows[pixel], columns[pixel], radius)
    return found


def _blob(
    rng: np.random.Generator, shape: tuple[int, int], y: float, x: float, radius: float
) -> np.ndarray:
    """(H, W) bool: an irregular ellipse around (y, x)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    squeeze = np.exp(rng.normal(0, 0.25))
    distance = np.hypot((rows - y) * squeeze, (columns - x) / squeeze)
    return distance + 0.25 * radius * smooth_noise(rng, shape, radius) < radius


# ------------------------------------------------------------------------------- pictures


def draw_contact_sheet(root: Path, split: str, number: int = 8, zoom: int = 2) -> np.ndarray:
    """Examples of a split, (H, W, 3) uint8 RGB; rows: image, instances and clicks, weak map."""
    palette = formats.voc_palette()
    folder, columns = DatasetFolder(root), []
    for image_id in formats.read_split(root, split)[:number]:
        image = formats.read_image(folder.image_file(image_id))
        objects = formats.read_semantic_map(folder.mask_files(image_id)[0])
        weak_map = formats.read_semantic_map(folder.map_file(image_id))
        clicks = formats.read_points(folder.points_file(image_id, CLICKS))
        tiles = [
            _overlay(image, values, palette, zoom) for values in (0 * objects, objects, weak_map)
        ]
        for y, x in clicks.yx:
            place = (int((x + 0.5) * zoom), int((y + 0.5) * zoom))
            cv2.circle(tiles[1], place, 3, (255, 255, 255), -1)
        columns.append(tiles)
    height, width = np.max([tile.shape[:2] for tiles in columns for tile in tiles], axis=0)
    rows = [[_pad(tiles[i], height, width) for tiles in columns] for i in range(3)]
    return np.vstack([np.hstack(row) for row in rows])


def _overlay(image: np.ndarray, values: np.ndarray, palette: np.ndarray, zoom: int) -> np.ndarray:
    mixed = np.where(values[..., None] > 0, 0.45 * image + 0.55 * palette[values], image)
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    return cv2.resize(mixed.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)


def _pad(tile: np.ndarray, height: int, width: int) -> np.ndarray:
    missing = (height - tile.shape[0] + 4, width - tile.shape[1] + 4)
    return np.pad(tile, ((0, missing[0]), (0, missing[1]), (0, 0)))
