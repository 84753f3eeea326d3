"""The ablation of the instance cues: CAM (alpha 0) against attention of several strengths.

For each alpha and seed a classifier is trained and its cues are extracted; pseudo instances are
components of the same maps, and true positives those that match an object at a mask IoU of 0.5.

    bestie make-shapes --output datasets/shapes --tags-only
    bestie ablate-cues --output output/cue_ablation
    bestie ablate-cues --config-file CONFIG --alphas 0 0.7 --seeds 0 --output output/ablation

Trainings and cues that are there already are kept.
"""

import argparse
from pathlib import Path

from bestie.formats import atomic_write, configs_folder, to_json
from bestie.methods.pam.cue_ablation import DEFAULT_CONFIG, ablate_cues
from bestie.pipeline.process import CommandError

__all__ = ["FAILURES", "main", "parse_arguments"]

# Besides mistakes of the user, these end the command with one message.
FAILURES = (CommandError,)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file",
        default=str(configs_folder() / DEFAULT_CONFIG),
        metavar="FILE",
        help="classifier (%(default)s)",
    )
    parser.add_argument(
        "--alphas", type=float, nargs="+", default=[0, 0.3, 0.5, 0.7], help="(%(default)s)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="for all results")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="settings of all trainings")
    return parser.parse_intermixed_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, extract, and print the table.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    result = ablate_cues(
        args.config_file,
        args.output,
        alphas=args.alphas,
        seeds=args.seeds,
        options=args.opts,
        notify=lambda line: print(f"$ {line}", flush=True),
    )
    with atomic_write(args.output / "ablation.json") as file:
        file.write(to_json(result.as_dict(), indent=2))
    print(f"\n{result.table()}")
