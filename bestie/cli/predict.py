"""Run a checkpoint on images: an overlay per image, and a COCO json of all that it finds.

Examples:
    bestie predict --run output/run --input photo.jpg folder --output output/demo
    bestie predict --config-file CONFIG --input folder --output output/demo \\
        --classes classes.txt MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

Any model of instances of this project; the images need not belong to a data set. Folders are
searched with all that is below them. OUTPUT gets overlays/ and predictions.json. Images that cannot
be read are skipped, and named at the end (exit status 1).
"""

import argparse
import re
from pathlib import Path

from bestie.cli.arguments import add_model, resolve_run
from bestie.formats import read_class_file
from bestie.training import setup
from bestie.training.predict import demo_overrides, find_images, run_demo, unreadable_text

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    parser.add_argument(
        "--input", nargs="+", required=True, metavar="PATH", help="images and folders of images"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--min-score", type=float, default=0.3, help="of drawn instances (%(default)s)"
    )
    parser.add_argument(
        "--side", type=int, default=1024, help="longest side of an overlay, pixels (%(default)s)"
    )
    args = parser.parse_intermixed_args(arguments)
    # Settings may follow the images of --input: they start at a key of a config that is not a file.
    keys = [n for n, text in enumerate(args.input) if is_key(text) and not Path(text).exists()]
    start = keys[0] if keys else len(args.input)
    args.input, args.opts = args.input[:start], [*args.input[start:], *args.opts]
    return args


def is_key(text: str) -> bool:
    """Whether a text looks like a key of a config: MODEL.DEVICE, SEED."""
    return re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)*", text) is not None


def main(arguments: list[str] | None = None) -> None:
    """Write the overlays and the json.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    if not 0 <= args.min_score <= 1:
        raise ValueError(f"--min-score must lie in [0, 1], got {args.min_score}")
    if not 32 <= args.side <= 8192:
        raise ValueError(f"--side must lie in [32, 8192], got {args.side}")
    if not args.input:
        raise ValueError("--input names no image")
    images = find_images(args.input, args.output)
    resolve_run(args)
    class_names = read_class_file(args.classes) if args.classes else []
    args.opts = demo_overrides(args.config_file, args.opts, class_names)
    result = run_demo(setup(args), images, args.output, min_score=args.min_score, side=args.side)
    print(f"{Path(args.output)}: {result.instances} instances in {result.images} images")
    if result.unreadable:
        raise ValueError(
            f"{len(result.unreadable)} of {len(images)} images cannot be read: "
            + unreadable_text(result.unreadable)
        )
