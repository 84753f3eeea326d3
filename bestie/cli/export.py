"""Export labels: those that a checkpoint finds in a data set, or those of an existing file.

From a checkpoint, as COCO json to train on, or in the format of an annotation tool:
    bestie export --config-file CONFIG --output labels.json \\
        MODEL.WEIGHTS model_final.pth
    bestie export --config-file CONFIG --dataset folder:ROOT:train \\
        --output labels.json --score-threshold 0.3 --num-processes 2 \\
        MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

The classes are restricted to each image's tags, and a model that trained on
clicks assigns pixels to the clicks, unless switched off.

From a COCO json, a run of the pipeline, or the true masks of a data set:

    bestie export --labels labels.json --data ROOT --format labelme --output DIR
    bestie export --run output/run --images output/run/doubtful.txt \\
        --format labelme --output DIR
    bestie export --data ROOT --split train_s --format yolo --output DIR

docs/correct-labels.md says what each format holds, and how corrected labels come back.
"""

import argparse
from pathlib import Path

from bestie.cli.arguments import named_dataset, process_parser
from bestie.cli.export_files import (
    add_arguments,
    convert_predictions,
    dataset_paths,
    export_files,
    is_of_files,
)
from bestie.data import register_dataset
from bestie.formats.export.registry import COCO, require_apart
from bestie.method import METHODS
from bestie.training import merge_config, setup
from bestie.training.export import export_pseudo_labels
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = process_parser(__doc__)
    parser.add_argument(
        "--dataset", metavar="NAME", help="data set to label (default: first of DATASETS.TRAIN)"
    )
    parser.add_argument(
        "--output", required=True, type=Path, help="COCO json to write, or folder to make"
    )
    parser.add_argument(
        "--score-threshold", type=float, default=0.0, help="score that a label needs (%(default)s)"
    )
    parser.add_argument(
        "--min-area", type=int, default=1, help="pixels that a label needs (%(default)s)"
    )
    parser.add_argument(
        "--no-tags", action="store_true", help="do not restrict classes to the image's tags"
    )
    parser.add_argument(
        "--no-clicks", action="store_true", help="predict centers even where clicks are given"
    )
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Export in as many processes as are asked for."""
    args = parse_arguments(arguments)
    if is_of_files(args):
        export_files(args)
    elif not args.config_file:
        raise ValueError(
            "nothing to export: give --labels, --run, --data, or --config-file with MODEL.WEIGHTS"
        )
    else:
        launch_tool(work, args)


def work(args: argparse.Namespace) -> None:
    """What each process does with a checkpoint.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    for method in METHODS.values():
        for what, key in method.label_keys.items():
            if key in args.opts:
                raise ValueError(f"{key} is set by this tool: on by default, off with --no-{what}")
    if args.resume or args.eval_only:
        raise ValueError("--resume and --eval-only have no effect here; MODEL.WEIGHTS is exported")
    if args.format == COCO and args.output.is_dir():
        raise ValueError(f"--output: {args.output} is a folder; the COCO json to write is expected")
    name = named_dataset(args, merge_config(args.config_file, args.opts))
    register_dataset(name)
    require_apart(args.output, args.format, dataset_paths(name))
    # Only this data set is needed; its classes are compared with those of the training.
    args.opts = [*args.opts, "DATASETS.TEST", str((name,))]
    if args.format == COCO and args.images is None:
        _predict(args, name, args.output, args.masks or "rle")
    else:
        convert_predictions(args, name, lambda file: _predict(args, name, file, "rle"))


def _predict(args: argparse.Namespace, dataset: str, output: Path, masks: str) -> bool:
    """Write what the model finds as COCO json; True on the main process."""
    summary = export_pseudo_labels(
        setup(args),
        dataset,
        output,
        score_threshold=args.score_threshold,
        min_area=args.min_area,
        use_tags=not args.no_tags,
        use_clicks=not args.no_clicks,
        masks=masks,
    )
    if summary is not None:
        print(f"{args.output}\n\n{summary.table()}")
    return summary is not None
