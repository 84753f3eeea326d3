"""Make weak semantic maps from a classifier: WSSS_maps/<id>.png for each image of a data set.

Examples:
    bestie make-maps --config-file CONFIG \\
        MODEL.WEIGHTS model_final.pth
    bestie make-maps --config-file CONFIG --num-processes 2 \\
        --report output/maps MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu
    bestie make-maps --check --dataset folder:ROOT:train

Images need tags. An interrupted run is resumed. The report says whether the maps look
like pseudo labels rather than predictions, and their mean IoU where the data has ground truth;
--check makes nothing and reports on the maps that are there, whatever made them.
"""

import argparse

from bestie.cli.arguments import classifier_parser, named_dataset
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.maps import check_semantic_maps, make_semantic_maps
from bestie.training import setup
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = classifier_parser(__doc__, "maps", MAPS)
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
    report = make_semantic_maps(
        cfg,
        named_dataset(args, cfg),
        args.output,
        report_dir=args.report,
        overwrite=args.overwrite,
    )
    if report is not None:
        print(report.table())
