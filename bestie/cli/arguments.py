"""Arguments that several commands have.

Those of commands that run in several processes start from Detectron2's ``default_argument_parser``
(config file, processes, settings); others name a trained model by its config or its run.
"""

import argparse

from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser

from bestie.training.run_files import find_checkpoint

__all__ = ["add_model", "classifier_parser", "named_dataset", "process_parser", "resolve_run"]


def process_parser(epilog: str | None) -> argparse.ArgumentParser:
    """Parser of a command that can run in several processes, also on the CPU.

    Args:
        epilog: what ``--help`` says below the arguments.
    """
    parser = default_argument_parser(epilog=epilog)
    parser.set_defaults(dist_url="auto")
    parser.add_argument(
        "--num-processes",
        dest="num_gpus",
        type=int,
        default=argparse.SUPPRESS,
        help="the same as --num-gpus, for MODEL.DEVICE cpu",
    )
    return parser


def classifier_parser(epilog: str | None, what: str, folder: str) -> argparse.ArgumentParser:
    """Parser of a command that writes one file per image with a network.

    Args:
        epilog: what ``--help`` says below the arguments.
        what: is written, in the plural; also the name of the report's files.
        folder: of the data's root that gets the files by default.
    """
    parser = process_parser(epilog)
    parser.add_argument(
        "--dataset", metavar="NAME", help="data set with tags (default: first of DATASETS.TRAIN)"
    )
    parser.add_argument(
        "--output", metavar="DIR", help=f"folder of the {what} (default: {folder} of the root)"
    )
    parser.add_argument("--report", metavar="DIR", help=f"folder for {what}.json and {what}.png")
    parser.add_argument("--overwrite", action="store_true", help="make all files again")
    return parser


def add_model(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a trained model: --config-file or --run, --classes, and settings."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config-file", metavar="FILE", help="with MODEL.WEIGHTS at the end")
    source.add_argument(
        "--run",
        metavar="PATH",
        help="folder of a pipeline run (its last training), OUTPUT_DIR of a training, or a "
        "checkpoint that lies in one",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="class names, one per line (default: those that the config keeps, or of its data)",
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="settings")


def resolve_run(args: argparse.Namespace) -> None:
    """With ``--run``, set the config and the weights of that run, in place.

    Raises:
        ValueError: it is not a run, or has no finished training.
    """
    if args.run:
        config_file, weights = find_checkpoint(args.run)
        args.config_file, args.opts = str(config_file), ["MODEL.WEIGHTS", str(weights), *args.opts]


def named_dataset(args: argparse.Namespace, cfg: CfgNode) -> str:
    """``--dataset``, or the first training set.

    Raises:
        ValueError: there is neither.
    """
    if not (args.dataset or cfg.DATASETS.TRAIN):
        raise ValueError("no data set: give --dataset or DATASETS.TRAIN")
    return args.dataset or cfg.DATASETS.TRAIN[0]
