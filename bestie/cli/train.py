"""Train or evaluate any model of this project.

Examples:
    bestie train --config-file CONFIG --num-gpus 4
    bestie train --config-file CONFIG --resume
    bestie train --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth

With MODEL.DEVICE cpu, --num-gpus is the number of processes.
"""

import argparse

from detectron2.engine import default_argument_parser

from bestie.training import Trainer, load_model, setup
from bestie.training.launch import launch_tool

__all__ = ["main", "parse_arguments", "work"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Detectron2's arguments of a training; None: those of this process."""
    parser = default_argument_parser(epilog=__doc__)
    parser.set_defaults(dist_url="auto")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train or evaluate in as many processes as are asked for."""
    launch_tool(work, parse_arguments(arguments))


def work(args: argparse.Namespace) -> None:
    """Train or evaluate, as one of those processes.

    Raises:
        ValueError: a mistake in the config or the data.
        bestie.training.failures.TrainingError: the training cannot continue.
    """
    cfg = setup(args, training=True)
    if args.eval_only:
        Trainer.test(cfg, load_model(cfg, resume=args.resume))
        return
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    trainer.train()
