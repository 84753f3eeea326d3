"""Export the instances that a checkpoint finds in a data set as COCO json: labels to train on.

Examples:
    bestie export --config-file CONFIG --output labels.json \\
        MODEL.WEIGHTS model_final.pth
    bestie export --config-file CONFIG --dataset folder:ROOT:train \\
        --output labels.json --score-threshold 0.3 --num-processes 2 \\
        MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

The classes are restricted to each image's tags, and a model that trained on
clicks assigns pixels to the clicks, unless switched off.
"""

import argparse

from bestie.cli.arguments import named_dataset, process_parser
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
    parser.add_argument("--output", required=True, metavar="FILE", help="COCO json to write")
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
    parser.add_argument(
        "--masks",
        choices=("rle", "polygons"),
        default="rle",
        help="polygons are read by more tools, but holes are filled (%(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Export in as many processes as are asked for."""
    launch_tool(work, parse_arguments(arguments))


def work(args: argparse.Namespace) -> None:
    """What each process does.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    for method in METHODS.values():
        for what, key in method.label_keys.items():
            if key in args.opts:
                raise ValueError(f"{key} is set by this tool: on by default, off with --no-{what}")
    if args.resume or args.eval_only:
        raise ValueError("--resume and --eval-only have no effect here; MODEL.WEIGHTS is exported")
    name = named_dataset(args, merge_config(args.config_file, args.opts))
    # Only this data set is needed; its classes are compared with those of the training.
    args.opts = [*args.opts, "DATASETS.TEST", str((name,))]
    summary = export_pseudo_labels(
        setup(args),
        name,
        args.output,
        score_threshold=args.score_threshold,
        min_area=args.min_area,
        use_tags=not args.no_tags,
        use_clicks=not args.no_clicks,
        masks=args.masks,
    )
    if summary is not None:
        print(f"{args.output}\n\n{summary.table()}")
