"""Run everything on built-in data: image-level tags to a trained detector and a report.

Examples:
    bestie demo
    bestie demo --output elsewhere DEVICE cpu

Makes the built-in data set in OUTPUT/shapes and runs the pipeline on it, into OUTPUT/run; it takes
minutes on a CPU. The same command again resumes a demo that was interrupted. The report is
OUTPUT/run/report.html.
"""

import argparse
from pathlib import Path

import torch

from bestie.cli import make_shapes, run

__all__ = ["FAILURES", "main", "parse_arguments"]

FAILURES = run.FAILURES


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/demo"),
        metavar="DIR",
        help="for data and run (%(default)s)",
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="settings, as of bestie run")
    return parser.parse_intermixed_args(arguments)


def main(arguments: list[str] | None = None) -> int | None:
    """Make the data and run the pipeline; the exit status if it was interrupted.

    Raises:
        ValueError: a mistake in the settings.
        StageError: a stage failed.
    """
    args = parse_arguments(arguments)
    shapes = args.output / "shapes"
    make_shapes.main(["--output", str(shapes), "--tags-only"])
    given = ["--data", str(shapes), "--supervision", "tags"]
    given += ["--output", str(args.output / "run"), "--preset", "quick"]
    return run.main([*given, "--num-gpus", str(_processes()), *args.opts])


def _processes() -> int:
    """Two on a CPU of several cores.

    The networks of the preset are small: a second thread gains little there, a second process more.
    """
    return 1 if torch.cuda.is_available() else min(2, torch.get_num_threads())
