"""Make weak semantic maps from a classifier: WSSS_maps/<id>.png for each image of a data set.

Examples:
    bestie make-maps --config-file CONFIG \\
        MODEL.WEIGHTS model_final.pth
    bestie make-maps --config-file CONFIG --num-processes 2 \\
        --report output/maps MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu
    bestie make-maps --check --dataset folder:ROOT:train

Images need tags. A run that was stopped goes on where it was. The report says whether the maps look
like pseudo labels rather than predictions, and their mean IoU where the data has ground truth;
--check makes nothing and reports on the maps that are there, whatever made them.
"""

import argparse

from detectron2.engine import default_argument_parser

from bestie.methods.pam.maps import check_semantic_maps, make_semantic_maps
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
        "--output", metavar="DIR", help="folder of the maps (default: WSSS_maps of the root)"
    )
    parser.add_argument("--report", metavar="DIR", help="folder for maps.json and maps.png")
    parser.add_argument("--overwrite", action="store_true", help="make all maps anew")
    parser.add_argument("--check", action="store_true", help="report on the maps that are there")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Make the maps in as many processes as are asked for."""
    args = parse_arguments(arguments)
    if args.check:
        args.num_gpus = 1
    launch_tool(work, args)


def work(args: argparse.Namespace) -> None:
    """What each process does.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    if args.check:
        if not args.dataset:
            raise ValueError("--check needs --dataset")
        print(check_semantic_maps(args.dataset, args.output, report_dir=args.report).table())
        return
    cfg = setup(args)
    if not (args.dataset or cfg.DATASETS.TRAIN):
        raise ValueError("no data set: give --dataset or DATASETS.TRAIN")
    report = make_semantic_maps(
        cfg,
        args.dataset or cfg.DATASETS.TRAIN[0],
        args.output,
        report_dir=args.report,
        overwrite=args.overwrite,
    )
    if report is not None:
        print(report.table())
