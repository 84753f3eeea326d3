"""Make the built-in data set: rendered scenes in the folder contract, without any download.

Writes a complete folder-contract root with images, tags, clicks, weak semantic maps and ground
truth. The same seed gives the same bytes; an image does not depend on how many there are.

    bestie make-shapes --output datasets/shapes --seed 0 --train 400 --val 100

The weak maps are the truth, degraded at random as a weakly supervised method would: they are
not the output of a method, and results obtained with them are not those of a weakly supervised
pipeline. With --tags-only they and the clicks are left out: only tags remain to train on.
"""

import argparse
from pathlib import Path

import cv2

from bestie.data.shapes.generator import Settings, draw_contact_sheet, make_shapes
from bestie.data.shapes.objects import CLASS_NAMES

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, make the data set and print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("datasets/shapes"), help="new folder")
    for name in ("seed", "train", "val", "size"):
        value = getattr(Settings(), name)
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument(
        "--tags-only", action="store_true", help="leave out clicks and simulated weak maps"
    )
    parser.add_argument("--contact-sheet", type=Path, help="also write this picture of examples")
    args = parser.parse_args(argv)
    if args.contact_sheet and args.tags_only:
        parser.error("--contact-sheet draws clicks and weak maps, --tags-only leaves them out")
    if args.contact_sheet and args.contact_sheet.suffix.lower() != ".png":
        raise ValueError(f"--contact-sheet must end in .png, got {args.contact_sheet}")
    settings = Settings(args.seed, args.train, args.val, args.size, args.tags_only)
    record = make_shapes(args.output, settings)
    print(f"{args.output}: {len(CLASS_NAMES)} classes ({', '.join(CLASS_NAMES)})")
    for split, table in record["splits"].items():
        print(f"{split}:")
        for key, value in table.items():
            print(f"  {key:55s}{value}")
    if args.contact_sheet:
        sheet = draw_contact_sheet(args.output, "train")
        args.contact_sheet.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(args.contact_sheet), sheet[:, :, ::-1])
