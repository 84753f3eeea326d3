"""Draw what a data set holds and what label files say: a contact sheet, one row per image.

    bestie visualize --dataset folder:ROOT:train --output sheet.png
    bestie visualize --dataset folder:ROOT:val --output sheet.png \\
        --layers image gt --labels found=labels.json --ids a b
    bestie visualize --run output/run --output sheet.png
    bestie visualize --dataset coco:train.json:photos --points output/run/cues \\
        --maps output/run/maps --output sheet.png

Layers: the image, its tags, its points, its weak semantic map, the pseudo labels that points and
map give (semantic knowledge transfer), the ground truth. Label files: exported labels, predictions,
any COCO json or list of COCO results; each becomes a column.
"""

import argparse
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_dataset
from bestie.data.registration import POINT_FOLDERS
from bestie.training.run_files import RunFiles, find_run_files
from bestie.visualization import (
    LAYERS,
    LayerSettings,
    choose_images,
    labelled_records,
    name_label_files,
    results_sheet,
    save_png,
    with_label_folders,
    with_true_masks,
)

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR or a built-in name; with --run: its training "
        "data",
    )
    parser.add_argument(
        "--run",
        metavar="DIR",
        help="folder of the pipeline: show its cues, maps and labels",
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        choices=LAYERS,
        metavar="LAYER",
        help=f"columns, of {', '.join(LAYERS)}; default: all that one of the images has",
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="[TITLE=]FILE",
        help="COCO json files, a column each",
    )
    parser.add_argument("--ids", nargs="+", metavar="ID", help="images to show, by name or id")
    parser.add_argument("--number", type=int, default=8, help="images to show without --ids")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE.png")
    parser.add_argument(
        "--points",
        default="",
        metavar="FOLDER",
        help="Peak_points or Center_points of the root, or the path of a folder",
    )
    parser.add_argument("--maps", default="", metavar="DIR", help="folder of semantic maps")
    parser.add_argument(
        "--point-score",
        type=float,
        help="points above it make pseudo labels (that of the run, or 0.7)",
    )
    parser.add_argument(
        "--min-area", type=int, default=50, help="of pseudo labels, pixels (%(default)s)"
    )
    parser.add_argument(
        "--min-score", type=float, default=0.3, help="of shown annotations (%(default)s)"
    )
    parser.add_argument(
        "--side", type=int, default=320, help="longer side of a panel, pixels (%(default)s)"
    )
    return parser.parse_args(arguments)


def apply_run(args: argparse.Namespace) -> None:
    """Fill in what --run knows and the user did not say."""
    run = find_run_files(args.run) if args.run else RunFiles()
    if not args.dataset:
        if not run.dataset:
            reason = f"; {args.run} does not name its data yet" if args.run else ", or --run"
            raise ValueError(f"give --dataset{reason}")
        args.dataset = run.dataset
        args.labels = args.labels or ([f"labels={run.labels}"] if run.labels else [])
    args.points, args.maps = args.points or run.points, args.maps or run.maps
    if args.point_score is None:
        args.point_score = 0.7 if run.point_score is None else run.point_score


def main(arguments: list[str] | None = None) -> None:
    """Write the contact sheet.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    if args.output.suffix.lower() != ".png":
        raise ValueError(f"--output must end in .png, got {args.output}.")
    if not 32 <= args.side <= 4096:
        raise ValueError(f"--side must lie in [32, 4096], got {args.side}.")
    for name, score in (("min-score", args.min_score), ("point-score", args.point_score)):
        if score is not None and not 0 <= score <= 1:
            raise ValueError(f"--{name} must lie in [0, 1], got {score}.")
    if args.min_area < 1:
        raise ValueError(f"--min-area must be 1 pixel or more, got {args.min_area}.")
    apply_run(args)
    register_dataset(args.dataset)
    all_records = DatasetCatalog.get(args.dataset)
    label_files = name_label_files(args.labels)
    candidates = all_records if args.ids else labelled_records(all_records, label_files.values())
    records = choose_images(candidates, args.ids, args.number)
    is_of_root = args.points in POINT_FOLDERS.values()
    records = with_label_folders(records, "" if is_of_root else args.points, args.maps)
    metadata = MetadataCatalog.get(args.dataset)
    to_class = metadata.thing_dataset_id_to_contiguous_id
    if hasattr(metadata, "json_file"):
        records = with_true_masks(records, metadata.json_file, to_class)
    settings = LayerSettings(
        class_names=metadata.thing_classes,
        side=args.side,
        points=args.points if is_of_root else "",
        point_score_thresh=args.point_score,
        min_area=args.min_area,
        score_thresh=args.min_score,
    )
    sheet = results_sheet(
        records,
        settings,
        label_files=label_files,
        layers=args.layers,
        category_to_class=to_class,
        all_dicts=all_records,
    )
    save_png(args.output, sheet)
    print(f"{args.output}: {len(records)} images, {sheet.shape[1]} x {sheet.shape[0]} pixels")
