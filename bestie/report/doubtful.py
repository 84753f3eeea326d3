"""Training images in the order in which an annotator should correct their labels.

One section of the page: the first images of the ranking, drawn. The section leaves two files in
the run's folder: ``doubtful.txt``, the names of the most doubtful tenth, which ``bestie export
--images`` reads, and ``doubtful.tsv``, all images with the parts of their doubt.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.data.mappers import points_folder
from bestie.evaluation.doubt import Doubt, label_doubt
from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.formats import Points, atomic_write, read_coco, read_points, read_semantic_map
from bestie.report.run_folder import RunFolder
from bestie.visualization import LayerSettings
from bestie.visualization.layers import ImageLayers
from bestie.visualization.page import (
    Block,
    Commands,
    Figure,
    Paragraph,
    Section,
    Strip,
    photo_uri,
)

__all__ = ["LIST", "RANKING", "Ranked", "doubtful_section", "rank_images"]

TITLE = "Labels to correct first"
LIST, RANKING = "doubtful.txt", "doubtful.tsv"
LABELS = "labels/labels.json"
# Images that are shown; share of the images that the list names, at least as many as are shown.
SHOWN, SHARE = 20, 0.1
SIDE = 220
HEADINGS = ("image", "doubt", "scores", "points", "maps", "tags", "candidates")


@dataclass(frozen=True)
class Ranked:
    """An image and how doubtful its labels are.

    Attributes:
        name: of the image in the file of labels.
        record: its dataset dict.
        doubt: of its labels.
        annotations: its labels, as a drawing takes them.
    """

    name: str
    record: Mapping[str, Any]
    doubt: Doubt
    annotations: list[dict[str, Any]]


def doubtful_section(run: RunFolder) -> Section:
    """The most doubtful images; writes the two files if there are labels."""
    cfg = run.config(run.plan.labeler) if run.plan.labeler else None
    if cfg is None or not (run.root / LABELS).is_file() or not cfg.DATASETS.TRAIN:
        return Section(TITLE, [Paragraph(run.absence("labels"), "warn")])
    try:
        ranked = rank_images(run)
        _write_files(run.root, ranked)
        class_names = MetadataCatalog.get(cfg.DATASETS.TRAIN[0]).thing_classes
        return Section(TITLE, _blocks(run, ranked, class_names))
    except (ValueError, OSError) as error:
        return Section(TITLE, [Paragraph(f"The labels cannot be ranked: {error}", "warn")])


def rank_images(run: RunFolder) -> list[Ranked]:
    """The training images of a run, the most doubtful first; equal ones in the order of the data.

    Raises:
        DataError: labels, points or maps are broken.
    """
    cfg = run.config(run.plan.labeler)
    assert cfg is not None, "the caller has looked for it"
    dataset = cfg.DATASETS.TRAIN[0]
    register_dataset(dataset)
    metadata = MetadataCatalog.get(dataset)
    coco = read_coco(run.root / LABELS)
    of_image = annotations_by_image(coco)
    ids = {image["file_name"]: image["id"] for image in coco["images"]}
    classes = _classes(coco, metadata.thing_classes)
    ranked = []
    for given in DatasetCatalog.get(dataset):
        record = _with_files(given, run, cfg)
        name = os.path.relpath(record["file_name"], metadata.image_root)
        if name not in ids:
            continue
        entries = of_image[ids[name]]
        labels = LabelledMasks.from_annotations(
            entries, (record["height"], record["width"]), classes
        )
        doubt = label_doubt(
            labels,
            *_points_and_map(record),
            record.get("image_labels"),
            cfg.INPUT.POINT_SCORE_THRESH,
        )
        drawn = [
            {
                "segmentation": entry["segmentation"],
                "class_id": classes[entry["category_id"]],
                "score": entry.get("score"),
            }
            for entry in entries
        ]
        ranked.append(Ranked(name, record, doubt, drawn))
    return sorted(ranked, key=lambda image: -image.doubt.total)


def _classes(coco: Mapping[str, Any], class_names: Sequence[str]) -> dict[int, int]:
    """Category id -> class.

    Raises:
        ValueError: a category that the data does not have.
    """
    number = {name: index for index, name in enumerate(class_names)}
    unknown = [c["name"] for c in coco["categories"] if c["name"] not in number]
    if unknown:
        raise ValueError(f"the labels have the class '{unknown[0]}', which the data does not have")
    return {category["id"]: number[category["name"]] for category in coco["categories"]}


def _with_files(record: Mapping[str, Any], run: RunFolder, cfg: CfgNode) -> dict[str, Any]:
    """A dataset dict with the points and the map that the labeler was trained with."""
    name, root = record["image_name"], record.get("root", "")
    points = _folder(os.path.join(root, _points_of(cfg)), run.root / "cues")
    maps = _folder(os.path.join(root, cfg.INPUT.MAPS_DIR), run.root / Path(cfg.INPUT.MAPS_DIR).name)
    files = [Path(points, f"{name}.txt"), *map(Path, record.get("points_files", {}).values())]
    found = [file for file in files if file.is_file()][:1]
    return {
        **record,
        "points_files": {file.parent.name: str(file) for file in found},
        "semantic_map_file": str(Path(maps, f"{name}.png")),
    }


def _points_of(cfg: CfgNode) -> str:
    """Folder of the points that the labeler was trained with; "" if its mapper reads none."""
    try:
        return points_folder(cfg)
    except ValueError:
        return ""


def _folder(configured: str, made: Path) -> Path:
    """The configured folder; if the run was moved since, the one that it made itself."""
    return Path(configured) if os.path.isdir(configured) else made


def _points_and_map(record: Mapping[str, Any]) -> tuple[Points | None, np.ndarray | None]:
    """Points and semantic map of an image, None where there is no file."""
    points = [read_points(path) for path in record["points_files"].values()]
    has_map = Path(record["semantic_map_file"]).is_file()
    return (
        points[0] if points else None,
        read_semantic_map(record["semantic_map_file"]) if has_map else None,
    )


def _write_files(folder: Path, ranked: list[Ranked]) -> None:
    with atomic_write(folder / LIST) as file:
        file.writelines(f"{image.name}\n" for image in ranked[: _listed(ranked)])
    with atomic_write(folder / RANKING) as file:
        file.write("\t".join(HEADINGS) + "\n")
        for image in ranked:
            values = (image.doubt.total, *astuple(image.doubt))
            cells = ["" if value is None else f"{value:.4g}" for value in values]
            file.write("\t".join([image.name, *cells]) + "\n")


def _listed(ranked: list[Ranked]) -> int:
    return max(SHOWN, round(SHARE * len(ranked)))


def _blocks(run: RunFolder, ranked: list[Ranked], class_names: list[str]) -> list[Block]:
    listed = min(_listed(ranked), len(ranked))
    text = (
        f"{len(ranked)} training images are ranked by how doubtful their labels are: the mean of "
        "low scores, disagreement of labels with points and with the weak map, and tags without a "
        "label, times the logarithm of the number of candidates (bestie.evaluation.doubt). No "
        f"ground truth is used. {LIST} names the first {listed}, {RANKING} has all numbers."
    )
    command = (
        f"bestie export --run {shlex.quote(str(run.root))} --images "
        f"{shlex.quote(str(run.root / LIST))} --format labelme --output to_correct"
    )
    blocks: list[Block] = [Paragraph(text), Commands([("Correct them", command)])]
    settings = LayerSettings(class_names, side=SIDE, score_thresh=0.0)
    for place, image in enumerate(ranked[:SHOWN], 1):
        heading = f"{place}. {image.name}: {_describe(image.doubt)}"
        blocks.append(Strip(heading, _panels(image, settings)))
    return blocks


def _describe(doubt: Doubt) -> str:
    parts = {
        "low scores": doubt.scores,
        "points": doubt.points,
        "map": doubt.maps,
        "tags": doubt.tags,
    }
    shown = ", ".join(f"{name} {value:.2f}" for name, value in parts.items() if value is not None)
    return f"doubt {doubt.total:.2f} ({shown}; {doubt.candidates} candidates)"


def _panels(image: Ranked, settings: LayerSettings) -> list[tuple[str, Figure]]:
    drawer = ImageLayers(image.record, settings)
    layers = ["tags" if "image_labels" in image.record else "image"]
    layers += ["points"] * bool(image.record["points_files"])
    layers += ["map"] * Path(image.record["semantic_map_file"]).is_file()
    drawn = [drawer.draw(layer) for layer in layers]
    drawn.append(("labels", drawer.draw_annotations(image.annotations)))
    return [
        (title, Figure(photo_uri(panel, quality=70), f"{image.name}: {title}"))
        for title, panel in drawn
    ]
