"""napari's points as CSV: a file per image, called like the image ("a.csv").

Each row is a click. napari counts pixels by their centers: axis-0 (y) and axis-1 (x) of 3.0 are
the middle of pixel 3, so half a pixel is added. The class is the column of the points' property of
a usual name (class, label, ...), or ``ReadOptions.class_name``.

Source: https://napari.org/stable/howtos/layers/points.html, and what napari 0.9 writes.
"""

import re
from pathlib import Path

from bestie.formats.labels.base import Labels, ReadOptions, list_files, parse_number
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.rows import read_rows
from bestie.formats.labels.table import CLASS_HEADINGS

__all__ = ["read_napari"]


def read_napari(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a CSV of points of napari, or all of a folder; see the module."""
    files = list_files(path, (".csv",)) if path.is_dir() else [path]
    for file in files:
        table = read_rows(file, labels)
        if table is None:
            continue
        axes = [name for name in table.headings if re.fullmatch(r"axis-\d+", name)]
        classes = [name for name in table.headings if name.lower() in CLASS_HEADINGS]
        if axes != ["axis-0", "axis-1"] or "shape-type" in table.headings:
            found = ", ".join(table.headings)
            message = "points of one image (index, axis-0, axis-1) are expected"
            labels.report(f"its first line is '{found}'; {message}", file, table.line)
            continue
        if len(classes) > 1 or len(set(table.headings)) < len(table.headings):
            message = f"has several columns of one meaning: {', '.join(classes or axes)}"
            labels.report(message, file, table.line)
            continue
        image = file.stem
        labels.add(image, (), None, file, table.line)
        for line, values in table.records(file, labels):
            place = Place(image, file, line)
            x, y = parse_number(values["axis-1"]), parse_number(values["axis-0"])
            if x is None or y is None:
                found = f"axis-0 '{values['axis-0']}', axis-1 '{values['axis-1']}'"
                place.report(f"{found} are not two numbers", labels)
                continue
            name = (values[classes[0]] or None) if classes else None
            add_object(labels, options, place, name, point=(x + 0.5, y + 0.5))
