"""The part of ``bestie export`` that needs no model: labels of files to the formats of tools."""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectron2.data import MetadataCatalog

from bestie.data import register_dataset
from bestie.data.registration import parse_name
from bestie.formats import DatasetFolder
from bestie.formats.export.base import ExportOptions, LabelSet
from bestie.formats.export.registry import (
    COCO,
    FORMATS,
    require_apart,
    require_free,
    write_labels,
)
from bestie.formats.export.source import Selection, read_label_set
from bestie.training.run_files import find_run_files

__all__ = ["add_arguments", "convert_predictions", "dataset_paths", "export_files", "is_of_files"]

# Options of checkpoints -> the value that they have if they are not given.
OF_CHECKPOINTS: dict[str, Any] = {
    "config_file": "",
    "dataset": None,
    "no_tags": False,
    "no_clicks": False,
    "resume": False,
    "eval_only": False,
    "num_gpus": 1,
    "opts": [],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options about formats, and about labels that exist already."""
    parser.add_argument(
        "--format", choices=FORMATS, default=COCO, help="of the labels to write (%(default)s)"
    )
    parser.add_argument(
        "--masks",
        choices=("rle", "polygons"),
        help="of --format coco: rle (default) is exact, polygons are read by more tools",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="JSON", help="COCO json whose labels are written"
    )
    parser.add_argument("--run", metavar="DIR", help="folder of the pipeline: its labels and data")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="root, or folder of the photos; without --labels its true masks are written",
    )
    parser.add_argument("--split", help="of a root whose true masks are written (train)")
    parser.add_argument(
        "--images", type=Path, metavar="FILE", help="write these images only, one name per line"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="PIXELS",
        help="outlines may leave the mask by this, to have fewer corners (0: exact)",
    )
    parser.add_argument("--copy", action="store_true", help="copy the photos instead of linking")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that the output holds already"
    )


def is_of_files(args: argparse.Namespace) -> bool:
    """Whether labels of files are to be written, not those of a checkpoint."""
    return any(value is not None for value in (args.labels, args.data, args.run))


def export_files(args: argparse.Namespace) -> None:
    """Write labels that exist already.

    Raises:
        ValueError: a mistake in the arguments or in a file.
    """
    wrong = [name for name, value in OF_CHECKPOINTS.items() if getattr(args, name) != value]
    if wrong:
        shown = "KEY VALUE" if wrong[0] == "opts" else f"--{wrong[0].replace('_', '-')}"
        raise ValueError(f"{shown} has no effect with --labels, --data or --run: no model is used")
    options = _options(args)
    labels, data, split = args.labels, args.data, args.split
    sources: list[Path] = []
    if args.run is not None:
        run = find_run_files(args.run)
        if labels is None and not run.labels:
            raise ValueError(f"{args.run} holds no finished labels: stage {run.labels_missing}")
        labels = labels or Path(run.labels)
        if run.dataset:
            sources.append(Path(parse_name(run.dataset)[1]))
            data = data or _folder_of_photos(run.dataset)
        elif run.root:
            data = data or Path(DatasetFolder(run.root).image_folder)
        if run.root:
            sources.append(Path(run.root))
    if labels is not None and split is not None:
        raise ValueError("--split has no effect with --labels or --run")
    sources += [path for path in (labels, data) if path is not None]
    require_apart(args.output, args.format, sources)
    _convert(args, options, labels, data, split or "train")


def convert_predictions(
    args: argparse.Namespace, dataset: str, predict: Callable[[Path], bool]
) -> None:
    """Write what a checkpoint finds in another format; to be called in every process.

    Args:
        args: of the command.
        dataset: the data set.
        predict: writes a COCO json, and says whether this is the main process.

    Raises:
        ValueError: a mistake in the arguments, found before the model runs, or in the data.
    """
    for name in ("split", "copy") if args.format == COCO else ("split",):
        if getattr(args, name):
            raise ValueError(f"--{name} has no effect here")
    options = _options(args)
    require_free(args.output, args.format, args.overwrite)
    register_dataset(dataset)
    photos = Path(MetadataCatalog.get(dataset).image_root)
    found = args.output.with_name(f".{args.output.name}.predictions.json")
    if not predict(found):
        return
    try:
        # What counts was selected while it was predicted.
        args.score_threshold, args.min_area = 0.0, 1
        _convert(args, options, found, photos, "")
    finally:
        found.unlink()


def _options(args: argparse.Namespace) -> ExportOptions:
    if args.masks is not None and args.format != COCO:
        raise ValueError(f"--masks has no effect with --format {args.format}")
    if args.copy and args.format == COCO:
        raise ValueError("--copy has no effect with --format coco, which holds no photos")
    has_outlines = args.format not in (COCO, "masks") or args.masks == "polygons"
    if args.tolerance is not None and not has_outlines:
        raise ValueError("--tolerance has no effect: no polygons are written")
    return ExportOptions(args.masks or "rle", args.tolerance or 0.0, args.copy)


def dataset_paths(dataset: str) -> list[Path]:
    """Root, json and folder of images of a registered data set, as far as it has them."""
    metadata = MetadataCatalog.get(dataset).as_dict()
    return [Path(metadata[key]) for key in ("root", "json_file", "image_root") if key in metadata]


def _folder_of_photos(dataset: str) -> Path:
    kind, first, second = parse_name(dataset)
    return Path(DatasetFolder(first).image_folder if kind == "folder" else second)


def _convert(
    args: argparse.Namespace,
    options: ExportOptions,
    labels: Path | None,
    data: Path | None,
    split: str,
) -> None:
    require_free(args.output, args.format, args.overwrite)
    selection = Selection(args.images, args.score_threshold, args.min_area)
    label_set = read_label_set(labels, data, split, selection, args.format != COCO)
    notes = write_labels(label_set, args.format, args.output, options, args.overwrite)
    print(_summary(args, label_set, selection.left_out, notes))


def _summary(
    args: argparse.Namespace, labels: LabelSet, left_out: Counter[str], notes: Counter[str]
) -> str:
    empty = sum(not image.objects for image in labels.images)
    lines = [
        f"{args.output}: {args.format}, {len(labels.images)} images, {labels.number} objects, "
        f"{len(labels.class_names)} classes"
    ]
    lines += [f"  {empty} images have no object"] * (empty > 0)
    lines += [f"  left out: {count} {why}" for why, count in left_out.items()]
    lines += [f"  note: {count} {note}" for note, count in notes.items()]
    return "\n".join(lines)
