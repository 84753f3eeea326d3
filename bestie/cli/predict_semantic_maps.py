"""Make semantic maps from a segmentation network that was trained on weak maps.

Examples:
    bestie train --config-file CONFIG INPUT.MAPS_DIR weak_maps
    bestie predict-maps --config-file CONFIG --output predicted_maps \\
        MODEL.WEIGHTS model_final.pth INPUT.MAPS_DIR weak_maps
    bestie predict-maps --config-file CONFIG --num-processes 2 --output predicted_maps \\
        --report output/maps MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

Images need tags: predictions are restricted to them. An interrupted run is resumed. The report says
whether the maps look like pseudo labels, and where the data has ground truth the mean IoU of
the weak maps of INPUT.MAPS_DIR and of these.
"""

import argparse

from bestie.cli.arguments import classifier_parser, named_dataset
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.predicted_maps import predict_semantic_maps
from bestie.training import setup
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    return classifier_parser(__doc__, "maps", MAPS).parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Make the maps in as many processes as are asked for."""
    launch_tool(work, parse_arguments(arguments))


def work(args: argparse.Namespace) -> None:
    """What each process does.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    cfg = setup(args)
    report = predict_semantic_maps(
        cfg,
        named_dataset(args, cfg),
        args.output,
        report_dir=args.report,
        overwrite=args.overwrite,
    )
    if report is not None:
        print(report.table())
