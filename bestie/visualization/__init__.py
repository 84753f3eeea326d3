"""Drawings of labels, targets and predictions; curves and charts for the report.

``canvas`` (text, titles, legends, tiling, sizes) is the base of ``draw`` (maps, points, instances,
center heatmaps and offsets on images). ``layers`` draws the files of one image, ``label_file``
finds the annotations of an image in a JSON, ``contact_sheet`` places many images side by side,
``plots`` makes the charts.
"""

from bestie.visualization.canvas import save_png
from bestie.visualization.contact_sheet import choose_evenly, contact_sheet, results_sheet
from bestie.visualization.label_file import labelled_records
from bestie.visualization.layers import (
    LAYERS,
    LayerSettings,
    with_label_folders,
    with_true_masks,
)
from bestie.visualization.plots import plot_bars, plot_curves, plot_histogram, read_metrics
from bestie.visualization.selection import choose_images, name_label_files

__all__ = [
    "LAYERS",
    "LayerSettings",
    "choose_evenly",
    "choose_images",
    "contact_sheet",
    "labelled_records",
    "name_label_files",
    "plot_bars",
    "plot_curves",
    "plot_histogram",
    "read_metrics",
    "results_sheet",
    "save_png",
    "with_label_folders",
    "with_true_masks",
]
