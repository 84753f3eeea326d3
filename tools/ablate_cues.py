#!/usr/bin/env python3
"""The paper's ablation of the instance cues: CAM (alpha 0) against peak attention, as a table.

For each alpha and seed a classifier is trained and its cues are extracted; pseudo instances are
components of the same maps, and true positives those that match an object at a mask IoU of 0.5.

    python datasets/make_shapes.py --output datasets/shapes --tags-only
    tools/ablate_cues.py --output output/cue_ablation
    tools/ablate_cues.py --config-file configs/PAM/voc_vgg16.yaml --alphas 0 0.7 --seeds 0 \\
        --output output/cue_ablation_voc MODEL.PAM.VGG_WEIGHTS vgg16-397923af.pth

Trainings and cues that are there already are kept.
"""

import argparse
import sys
from pathlib import Path

from bestie.formats import atomic_write, configs_folder, to_json
from bestie.methods.pam.cue_ablation import ablate_cues
from bestie.pipeline.process import CommandError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file",
        default=str(configs_folder() / "quick/shapes_pam.yaml"),
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


def main(args: argparse.Namespace) -> None:
    result = ablate_cues(
        args.config_file,
        args.output,
        alphas=args.alphas,
        seeds=args.seeds,
        options=args.opts,
        tell=lambda line: print(f"$ {line}", flush=True),
    )
    with atomic_write(args.output / "ablation.json") as file:
        file.write(to_json(result.as_dict(), indent=2))
    print(f"\n{result.table()}")


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CommandError, ValueError, OSError) as error:
        sys.exit(f"ablate_cues.py: {error}")
