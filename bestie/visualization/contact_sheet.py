"""Contact sheets: many images side by side with what is known about them.

The input is pictures with titles, or dataset dicts and label files; the result is one uint8 RGB
array, which ``canvas.save_png`` writes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from bestie.visualization.canvas import add_title, tile
from bestie.visualization.label_file import LabelFile, read_label_file
from bestie.visualization.layers import (
    LAYERS,
    ImageLayers,
    LayerSettings,
    MissingLayer,
    available_layers,
)

__all__ = ["choose_evenly", "contact_sheet", "results_sheet"]

Item = TypeVar("Item")


def contact_sheet(rows: Sequence[Sequence[tuple[str, np.ndarray]]], gap: int = 8) -> np.ndarray:
    """Tile titled images; in a row where any image has a title, all get a title strip.

    Args:
        rows: of pairs of a title ("" for none) and an (H, W, 3) uint8 RGB image of any size.
        gap: between the images, pixels.

    Raises:
        ValueError: no image is given.
    """
    tiles = []
    for row in rows:
        titled = any(title for title, _ in row)
        tiles.append([add_title(image, title) if titled else image for title, image in row])
    return tile(tiles, gap)


def results_sheet(
    dataset_dicts: Sequence[Mapping[str, Any]],
    settings: LayerSettings,
    label_files: Mapping[str, str | Path] | None = None,
    layers: Sequence[str] | None = None,
    category_to_class: Mapping[int, int] | None = None,
    all_dicts: Sequence[Mapping[str, Any]] | None = None,
) -> np.ndarray:
    """A row an image: its layers, then what each label file says about it.

    Args:
        dataset_dicts: of the images to show.
        settings: sizes and thresholds.
        label_files: title -> COCO JSON (ground truth or exported labels) or list of COCO results.
        layers: names of :data:`bestie.visualization.layers.LAYERS`, in order; those that one of
            the images has, if omitted. An image that lacks a layer says so in its panel.
        category_to_class: category ids of result lists -> classes; id = class + 1, if omitted.
        all_dicts: those of the whole data set, from which titles and names in label files must
            tell the shown images apart; ``dataset_dicts``, if omitted.

    Raises:
        ValueError: unknown layer, one that all images lack, no image, or a label file that holds
            no image of the data set.
        DataError: a file that is missing or malformed.
    """
    if not dataset_dicts:
        raise ValueError("No image to show.")
    if layers is None:
        layers = _layers_of_any(dataset_dicts)
    label_columns: dict[str, LabelFile] = {}
    for title, path in (label_files or {}).items():
        label_columns[title] = read_label_file(
            path, dataset_dicts, settings.class_names, category_to_class, all_dicts
        )
    drawers = [
        ImageLayers(record, settings, shown_name(record, all_dicts or dataset_dicts))
        for record in dataset_dicts
    ]
    columns = [_layer_column(drawers, layer) for layer in layers]
    columns += [_label_column(drawers, title, labels) for title, labels in label_columns.items()]
    return contact_sheet(list(zip(*columns, strict=True)))


def _layers_of_any(records: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {layer for record in records for layer in available_layers(record)}
    # The panel of the tags shows the image, too.
    return [name for name in LAYERS if name in found and (name != "image" or "tags" not in found)]


def _layer_column(drawers: Sequence[ImageLayers], layer: str) -> list[tuple[str, np.ndarray]]:
    """Titled panels of a layer; only the first has a title.

    Raises:
        MissingLayer: no image has the layer.
    """
    title, missing = "", None
    panels = []
    for drawer in drawers:
        try:
            found, panel = drawer.draw(layer)
            title = title or found
        except MissingLayer as error:
            missing = missing or error
            panel = drawer.draw_absence("none of this image")
        panels.append(panel)
    if missing is not None and not title:
        raise missing
    return [(title, panels[0]), *(("", panel) for panel in panels[1:])]


def _label_column(
    drawers: Sequence[ImageLayers], title: str, labels: LabelFile
) -> list[tuple[str, np.ndarray]]:
    panels = [
        drawer.draw_annotations(labels.of(drawer.record))
        if labels.holds(drawer.record)
        else drawer.draw_absence("not in this file")
        for drawer in drawers
    ]
    return [(title, panels[0]), *(("", panel) for panel in panels[1:])]


def shown_name(record: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """The stem of an image, with as many folders as tell it from the other records."""
    parts = PurePosixPath(record["file_name"]).with_suffix("").parts
    others = [PurePosixPath(each["file_name"]).with_suffix("").parts for each in records]
    for number in range(1, len(parts)):
        if sum(other[-number:] == parts[-number:] for other in others) == 1:
            return "/".join(parts[-number:])
    return str(record["file_name"])


def choose_evenly(items: Sequence[Item], number: int) -> list[Item]:
    """At most ``number`` items, spread evenly over the sequence; always the same ones."""
    number = min(number, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * number)] for i in range(number)]
