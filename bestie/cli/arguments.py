"""Arguments that several commands have: those of commands that run in several processes.

They start from Detectron2's ``default_argument_parser`` (config file, processes, settings).
"""

import argparse

from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser

__all__ = ["classifier_parser", "named_dataset", "process_parser"]


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
    """Parser of a command that writes one file per image with a classifier.

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


def named_dataset(args: argparse.Namespace, cfg: CfgNode) -> str:
    """``--dataset``, or the first training set.

    Raises:
        ValueError: there is neither.
    """
    if not (args.dataset or cfg.DATASETS.TRAIN):
        raise ValueError("no data set: give --dataset or DATASETS.TRAIN")
    return args.dataset or cfg.DATASETS.TRAIN[0]
