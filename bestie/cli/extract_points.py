"""Extract instance cues from a classifier: Peak_points/<id>.txt for each image of a data set.

Examples:
    bestie extract-points --config-file CONFIG MODEL.WEIGHTS model_final.pth
    bestie extract-points --config-file CONFIG --dataset folder:ROOT:train --num-processes 2 \\
        --report output/cues MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

Images need tags. A run that was stopped goes on where it was. Where the data has ground truth
(masks or clicks), the report says how many objects have exactly one cue.
"""

import argparse

from detectron2.engine import default_argument_parser

from bestie.methods.pam.cues import extract_points
from bestie.training import setup
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = default_argument_parser(epilog=__doc__)
    parser.set_defaults(dist_url="auto")
    parser.add_argument(
        "--num-processes",
        dest="num_gpus",
        type=int,
        default=argparse.SUPPRESS,
        help="the same as --num-gpus, for MODEL.DEVICE cpu",
    )
    parser.add_argument(
        "--dataset", metavar="NAME", help="data set with tags (default: first of DATASETS.TRAIN)"
    )
    parser.add_argument(
        "--output", metavar="DIR", help="folder of the cues (default: Peak_points of the root)"
    )
    parser.add_argument("--report", metavar="DIR", help="folder for cues.json and cues.png")
    parser.add_argument("--overwrite", action="store_true", help="make all files anew")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Extract in as many processes as are asked for."""
    launch_tool(work, parse_arguments(arguments))


def work(args: argparse.Namespace) -> None:
    """What each process does.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    cfg = setup(args)
    if not (args.dataset or cfg.DATASETS.TRAIN):
        raise ValueError("no data set: give --dataset or DATASETS.TRAIN")
    report = extract_points(
        cfg,
        args.dataset or cfg.DATASETS.TRAIN[0],
        args.output,
        report_dir=args.report,
        overwrite=args.overwrite,
    )
    if report is not None:
        print(report.table())
