"""Extract instance cues from a classifier: Peak_points/<id>.txt for each image of a data set.

Examples:
    bestie extract-points --config-file CONFIG MODEL.WEIGHTS model_final.pth
    bestie extract-points --config-file CONFIG --dataset folder:ROOT:train --num-processes 2 \\
        --report output/cues MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

Images need tags. An interrupted run is resumed. Where the data has ground truth
(masks or clicks), the report says how many objects have exactly one cue.
"""

import argparse

from bestie.cli.arguments import classifier_parser, named_dataset
from bestie.formats.dataset_folder import CUES
from bestie.methods.pam.cues import extract_points
from bestie.training import setup
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    return classifier_parser(__doc__, "cues", CUES).parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Extract in as many processes as are asked for."""
    launch_tool(work, parse_arguments(arguments))


def work(args: argparse.Namespace) -> None:
    """What each process does.

    Raises:
        ValueError: a mistake in the arguments, the config or the data.
    """
    cfg = setup(args)
    report = extract_points(
        cfg,
        named_dataset(args, cfg),
        args.output,
        report_dir=args.report,
        overwrite=args.overwrite,
    )
    if report is not None:
        print(report.table())
