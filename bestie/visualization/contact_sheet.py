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
from bestie.visualization.layers import ImageLayers, LayerSettings, available_layers

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
        layers: names of :data:`bestie.visualization.layers.LAYERS`, in order; those that the first
            image has, if omitted.
        category_to_class: category ids of result lists -> classes; id = class + 1, if omitted.
        all_dicts: those of the whole data set, from which titles and names in label files must
            tell the shown images apart; ``dataset_dicts``, if omitted.

    Raises:
        ValueError: unknown layer, no image, or a label file that holds none of the images.
        DataError: a file that is missing or malformed.
    """
    if not dataset_dicts:
        raise ValueError("No image to show.")
    if layers is None:
        layers = available_layers(dataset_dicts[0])
    columns: dict[str, LabelFile] = {}
    for title, path in (label_files or {}).items():
        columns[title] = read_label_file(
            path, dataset_dicts, settings.class_names, category_to_class, all_dicts
        )
    rows = []
    for number, record in enumerate(dataset_dicts):
        drawer = ImageLayers(record, settings, shown_name(record, all_dicts or dataset_dicts))
        row = [drawer.draw(layer) for layer in layers]
        for title, labels in columns.items():
            row.append((title, drawer.draw_annotations(labels.of(record))))
        rows.append([(title if number == 0 else "", panel) for title, panel in row])
    return contact_sheet(rows)


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
