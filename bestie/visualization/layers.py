"""Drawings of the files of one image: tags, points, map, pseudo labels, ground truth, JSON.

A dataset dict gives one uint8 RGB panel per layer, with a legend below. Everything is resized to
the panel before it is drawn, so that lines and letters have the same size on small and large
images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bestie import formats
from bestie.formats.dataset_folder import CLICKS, CUES
from bestie.regions.components import count_points, find_components
from bestie.visualization.canvas import add_legend, fit_size, resize_image, resize_nearest
from bestie.visualization.draw import (
    class_color,
    dim,
    draw_instances,
    draw_points,
    draw_semantic_map,
)

__all__ = [
    "LAYERS",
    "ImageLayers",
    "LayerSettings",
    "MissingLayer",
    "available_layers",
    "with_label_folders",
    "with_true_masks",
]

# In the order in which they are shown.
LAYERS = ("image", "tags", "points", "map", "pseudo", "gt")


class MissingLayer(formats.DataError):
    """An image does not have what a layer shows; the files that it has are in order."""


@dataclass(frozen=True)
class LayerSettings:
    """How layers are drawn.

    Attributes:
        class_names: C names.
        side: longer side of a panel, pixels.
        points: folder of the points to show ("Peak_points", "Center_points"); "": the first that
            exists, clicks before cues.
        point_score_thresh: points train above this confidence (``INPUT.POINT_SCORE_THRESH``);
            decides about pseudo labels.
        min_area: smallest component that becomes a pseudo label, pixels of the original image.
        score_thresh: annotations with a score below it are not drawn.
    """

    class_names: Sequence[str]
    side: int = 320
    points: str = ""
    point_score_thresh: float = 0.7
    min_area: int = 50
    score_thresh: float = 0.3


def with_label_folders(
    records: Sequence[Mapping[str, Any]], points: str = "", maps: str = ""
) -> list[dict[str, Any]]:
    """Dataset dicts whose points and semantic maps lie in other folders than the root's.

    Args:
        records: dataset dicts.
        points: folder of point files, <image>.txt; "": those of the data set.
        maps: folder of semantic maps, <image>.png; "": those of the data set.

    Raises:
        DataError: a folder that does not exist or holds the file of no image.
    """
    changed = [dict(record) for record in records]
    for folder, suffix in ((points, ".txt"), (maps, ".png")):
        if not folder:
            continue
        if not Path(folder).is_dir():
            raise formats.DataError("is not a folder", folder)
        paths = [Path(folder, f"{record['image_name']}{suffix}") for record in records]
        if not any(path.is_file() for path in paths):
            raise formats.DataError(f"does not hold {paths[0].name} nor any other image's", folder)
        for record, path in zip(changed, paths, strict=True):
            if suffix == ".txt":
                record["points_files"] = {Path(folder).name: str(path)}
            else:
                record["semantic_map_file"] = str(path)
    return changed


def with_true_masks(
    records: Sequence[Mapping[str, Any]], json_file: str, category_to_class: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Dataset dicts of a root with the true masks of its COCO json, where they have no others.

    Args:
        records: dataset dicts, whose image ids are those of the json.
        json_file: ``annotations/instances_<split>.json``.
        category_to_class: category ids of the json -> classes.
    """
    without = [r["image_id"] for r in records if not {"instance_file", "annotations"} & r.keys()]
    if not without:
        return [dict(record) for record in records]
    found: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in without}
    for entry in formats.read_coco(json_file)["annotations"]:
        if entry["image_id"] in found:
            class_id = category_to_class[entry["category_id"]]
            found[entry["image_id"]].append({**entry, "category_id": class_id})
    return [
        {**record, "annotations": found[record["image_id"]]}
        if record["image_id"] in found
        else dict(record)
        for record in records
    ]


def available_layers(record: Mapping[str, Any]) -> list[str]:
    """The layers that the files of this image can fill, in order; tags include the image."""
    has_map = Path(record.get("semantic_map_file", "")).is_file()
    has_points = any(Path(path).is_file() for path in record.get("points_files", {}).values())
    has = {
        "image": "image_labels" not in record,
        "tags": "image_labels" in record,
        "points": has_points,
        "map": has_map,
        "pseudo": has_map and has_points,
        "gt": "annotations" in record or "instance_file" in record,
    }
    return [layer for layer in LAYERS if has[layer]]


class ImageLayers:
    """Draws the layers of one image.

    Args:
        record: its dataset dict.
        settings: see :class:`LayerSettings`.
        name: of the image, for its title; "": that of its file.
    """

    def __init__(self, record: Mapping[str, Any], settings: LayerSettings, name: str = ""):
        self.record = record
        self.name = name or Path(record["file_name"]).stem
        self.settings = settings
        image = formats.read_image(record["file_name"])
        self.original_size = image.shape[:2]
        self.size = fit_size(image.shape[0], image.shape[1], settings.side)
        self.photo = resize_image(image, self.size)

    def draw(self, layer: str) -> tuple[str, np.ndarray]:
        """Title and panel of a layer.

        Raises:
            ValueError: the layer is none of :data:`LAYERS`.
            MissingLayer: the files of this image lack what the layer shows.
            DataError: they are broken.
        """
        draw = {
            "image": self._draw_image,
            "tags": self._draw_tags,
            "points": self._draw_points,
            "map": self._draw_map,
            "pseudo": self._draw_pseudo_labels,
            "gt": self._draw_ground_truth,
        }
        if layer not in draw:
            raise ValueError(f"'{layer}' is not a layer; the layers are {', '.join(LAYERS)}.")
        return draw[layer]()

    def draw_absence(self, what: str) -> np.ndarray:
        """Panel of the photo that says what it does not have."""
        return add_legend(dim(self.photo, 0.2), [(what, None)])

    def draw_annotations(self, annotations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Panel of annotations: dicts with ``segmentation``, ``class_id``, ``score`` (or None)."""
        thresh = self.settings.score_thresh
        shown = [a for a in annotations if a["score"] is None or a["score"] >= thresh]
        masks = self._decode([a["segmentation"] for a in shown])
        classes = np.array([a["class_id"] for a in shown], np.int64)
        scores = [a["score"] for a in shown]
        hidden = len(annotations) - len(shown)
        note = [(f"{hidden} more under score {thresh:g}", None)] if hidden else []
        return self._instances_panel(masks, classes, scores, note)

    def _draw_image(self) -> tuple[str, np.ndarray]:
        return "image", add_legend(self.photo, [self._image_entry()])

    def _draw_tags(self) -> tuple[str, np.ndarray]:
        entries = [self._image_entry(), *self._class_entries(self._tags())]
        return "image, tags", add_legend(self.photo, entries)

    def _draw_points(self) -> tuple[str, np.ndarray]:
        folder, points = self._read_points()
        panel = draw_points(self.photo, self._scaled(points.yx), points.classes, points.scores)
        counts = np.bincount(points.classes, minlength=len(self.settings.class_names))
        entries = [(f"{self._name(c)} × {n}", class_color(c)) for c, n in enumerate(counts) if n]
        without = [c for c in self.record.get("image_labels", []) if counts[c] == 0]
        entries += [(f"{self._name(c)} × 0", class_color(c)) for c in without]
        return f"points ({folder})", add_legend(panel, entries or [("no points", None)])

    def _draw_map(self) -> tuple[str, np.ndarray]:
        semantic_map = self._read_map()
        panel = draw_semantic_map(self.photo, resize_nearest(semantic_map, self.size))
        values = np.unique(semantic_map)
        entries = self._class_entries([int(v) - 1 for v in values if 0 < v < 255])
        if values[-1] == 255:
            entries.append(("ignored", (160, 160, 160)))
        return "weak map", add_legend(panel, entries or [("background only", None)])

    def _draw_pseudo_labels(self) -> tuple[str, np.ndarray]:
        """Semantic knowledge transfer on the whole image; no component is cut.

        In training it runs on each crop.
        """
        semantic_map = self._read_map()
        _, points = self._read_points()
        confident = points.scores > self.settings.point_score_thresh
        classes = self.record.get("image_labels", range(len(self.settings.class_names)))
        components = find_components(semantic_map, classes, self.settings.min_area)
        held = count_points(components, points.yx[confident], points.classes[confident])
        accepted = held == 1
        ids = np.flatnonzero(accepted) + 1
        component_map = resize_nearest(components.map, self.size)
        masks = component_map[None] == ids[:, None, None]
        note = [(f"of {len(components)} components", None)]
        return "pseudo labels", self._instances_panel(
            masks, components.classes[accepted], None, note
        )

    def _draw_ground_truth(self) -> tuple[str, np.ndarray]:
        if "instance_file" in self.record:
            instance_map, _, classes = formats.read_instances(
                self.record["instance_file"], self.record["class_file"]
            )
            self._check_size(instance_map, self.record["instance_file"])
            self._check_classes(classes, self.record["class_file"])
            instance_map = resize_nearest(instance_map, self.size)
            masks = instance_map[None] == np.arange(1, len(classes) + 1)[:, None, None]
        elif "annotations" in self.record:
            annotations = [a for a in self.record["annotations"] if not a.get("iscrowd", 0)]
            masks = self._decode([a["segmentation"] for a in annotations])
            classes = np.array([a["category_id"] for a in annotations], np.int64)
        else:
            raise MissingLayer(
                "the image has no ground truth (SegmentationObject and SegmentationClass, or the "
                "annotations of a COCO json)",
                self.record["file_name"],
            )
        return "ground truth", self._instances_panel(masks, classes)

    def _instances_panel(
        self,
        masks: np.ndarray,
        classes: np.ndarray,
        scores: Sequence[float | None] | None = None,
        notes: Sequence[tuple[str, None]] = (),
    ) -> np.ndarray:
        """Instances with class (where there are several) and score on them, their numbers below."""
        several = len(self.settings.class_names) > 1
        texts = []
        for index, class_id in enumerate(classes):
            words = [self._name(class_id)] if several else []
            if scores is not None and scores[index] is not None:
                words.append(f"{scores[index]:.2f}")
            texts.append(" ".join(words))
        panel = draw_instances(dim(self.photo, 0.2), masks, texts)
        counts = np.bincount(classes, minlength=len(self.settings.class_names))
        entries = [(f"{self._name(c)} × {n}", None) for c, n in enumerate(counts) if n]
        return add_legend(panel, [*(entries or [("none", None)]), *notes])

    def _read_points(self) -> tuple[str, formats.Points]:
        paths = self.record.get("points_files", {})
        chosen = self.settings.points
        folders = [chosen] if chosen else sorted(paths) or [CLICKS, CUES]
        for folder in folders:
            if folder in paths and Path(paths[folder]).is_file():
                points = formats.read_points(paths[folder])
                self._check_classes(points.classes, paths[folder])
                return folder, points
        raise MissingLayer(
            f"the image has no points in {' or '.join(folders)}", self.record["file_name"]
        )

    def _read_map(self) -> np.ndarray:
        path = self.record.get("semantic_map_file")
        if path is None or not Path(path).is_file():
            raise MissingLayer("the image has no weak semantic map", self.record["file_name"])
        semantic_map = formats.read_semantic_map(path)
        self._check_size(semantic_map, path)
        self._check_classes(semantic_map[(semantic_map > 0) & (semantic_map < 255)] - 1, path)
        return semantic_map

    def _check_size(self, array: np.ndarray, path: str) -> None:
        if array.shape != self.original_size:
            raise formats.DataError(
                f"has the size {array.shape}, its image {self.original_size} (height, width)", path
            )

    def _check_classes(self, classes: np.ndarray, path: str) -> None:
        number = len(self.settings.class_names)
        if classes.size and classes.max() >= number:
            raise formats.DataError(
                f"holds the class {classes.max()}; classes are 0..{number - 1}", path
            )

    def _tags(self) -> list[int]:
        if "image_labels" not in self.record:
            raise MissingLayer("the image has no tags", self.record["file_name"])
        return self.record["image_labels"]

    def _decode(self, segmentations: Sequence[Any]) -> np.ndarray:
        """COCO segmentations -> (N, height, width) bool masks of the panel."""
        masks = np.zeros((len(segmentations), *self.size), bool)
        for mask, segmentation in zip(masks, segmentations, strict=True):
            decoded = formats.decode_mask(segmentation, *self.original_size)
            if decoded.shape != self.original_size:
                raise formats.DataError(
                    f"an annotation has the size {decoded.shape}, the image {self.original_size}",
                    self.record["file_name"],
                )
            mask[:] = resize_nearest(decoded, self.size)
        return masks

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        """Pixel indices of the image to pixel indices of the panel."""
        factor = np.array(self.size) / np.array(self.original_size)
        return (points + 0.5) * factor - 0.5

    def _image_entry(self) -> tuple[str, None]:
        height, width = self.original_size
        return f"{self.name}: {height} x {width}", None

    def _name(self, class_id: int) -> str:
        return self.settings.class_names[class_id]

    def _class_entries(self, classes: Sequence[int]) -> list[tuple[str, tuple[int, int, int]]]:
        return [(self._name(c), class_color(c)) for c in classes]
