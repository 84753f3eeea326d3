"""From images with tags or clicks to a trained detector and a report, in one command.

Examples:
    bestie run --data ROOT --supervision tags --output output/run
    bestie run --data ROOT --supervision clicks --output output/run --preset hrnet48 \\
        --num-gpus 4
    bestie run --data coco:train.json:images --val coco:val.json:images \\
        --supervision clicks --output output/run
    bestie run --data ROOT --supervision masks+clicks --output output/run  # train_s, train_w
    bestie run ... SOLVER.IMS_PER_BATCH 8 bestie:SOLVER.MAX_ITER 3000 DEVICE cpu

The same command again resumes an interrupted run, and repeats nothing that is done and whose
inputs are the same. Settings (KEY VALUE) hold for every training that they mean something to, or
for one of them, with its name in front: classifier:KEY.
"""

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path

from bestie.formats.labels.base import ReadOptions
from bestie.pipeline import (
    Request,
    StageError,
    choose_preset,
    preset_names,
    run_pipeline,
    stage_names,
    supervisions,
)

__all__ = ["FAILURES", "main", "parse_arguments"]

# Besides mistakes of the user, these end the command with one message.
FAILURES = (StageError,)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", required=True, metavar="ROOT", help="root of the data, or coco:JSON:IMAGE_DIR"
    )
    parser.add_argument("--supervision", required=True, choices=supervisions())
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of this run")
    _add_preset(parser)
    parser.add_argument(
        "--num-gpus", type=int, default=1, metavar="N", help="processes a training (%(default)s)"
    )
    _add_splits(parser)
    parser.add_argument(
        "--keypoints",
        metavar="first|mean|NAME",
        help="the click of an object of COCO data with several visible keypoints (default: such "
        "an object is a mistake)",
    )
    parser.add_argument(
        "--boxes-as-clicks",
        action="store_true",
        help="the middle of a box of COCO data is the click of an object without a point",
    )
    parser.add_argument("--cues", metavar="DIR", help="point files in place of the classifier's")
    parser.add_argument("--maps", metavar="DIR", help="semantic maps in place of the classifier's")
    stages = stage_names()
    for flag, target, text in (
        ("--from", "first", f"start here, with what is there of the others: {', '.join(stages)}"),
        ("--to", "last", "stop after this stage"),
    ):
        parser.add_argument(
            flag, dest=target, default="", choices=stages, metavar="STAGE", help=text
        )
    parser.add_argument(
        "--force",
        action="append",
        default=[],
        choices=stages,
        metavar="STAGE",
        help="run this stage again, whatever its state",
    )
    parser.add_argument(
        "--keep-code",
        action="store_true",
        help="keep finished stages although the code or a library has changed; the report says so",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and why")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="settings")
    return parser.parse_intermixed_args(arguments)


def _add_preset(parser: argparse.ArgumentParser) -> None:
    """Which networks are trained, and how long."""
    parser.add_argument(
        "--preset",
        choices=preset_names(),
        help="(small for photographs, quick for the drawings of bestie make-shapes; a run that is "
        "resumed keeps its own)",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="TRAINING:NAME",
        help="another model for a training, as the preset has it, such as student:solo",
    )


def _add_splits(parser: argparse.ArgumentParser) -> None:
    """Which images train, and which are evaluated on."""
    parser.add_argument("--split", default="train", help="split to train on (%(default)s)")
    parser.add_argument(
        "--val-split", metavar="SPLIT", help="to evaluate on (val, if there is one)"
    )
    for kind, suffix in (("strong", "_s"), ("weak", "_w")):
        labels = "masks" if kind == "strong" else "clicks"
        parser.add_argument(
            f"--{kind}-split",
            default="",
            metavar="SPLIT",
            help=f"of masks+clicks: images that have {labels} (--split with {suffix})",
        )
    parser.add_argument(
        "--val",
        default="",
        metavar="COCO",
        help="coco:JSON:IMAGE_DIR to evaluate on, for COCO data",
    )


def _variants(given: list[str]) -> dict[str, str]:
    """ "TRAINING:NAME", ... -> training -> variant."""
    pairs = [text.partition(":") for text in given]
    for (training, _, name), text in zip(pairs, given, strict=True):
        if not training or not name:
            raise ValueError(f"--variant is TRAINING:NAME, got '{text}'")
    return {training: name for training, _, name in pairs}


def main(arguments: list[str] | None = None) -> int | None:
    """Run the pipeline; the exit status if it was interrupted.

    Raises:
        ValueError: a mistake in the arguments, settings or data.
        StageError: a stage failed.
    """
    args = parse_arguments(arguments)
    if args.data.startswith("coco:") and os.path.isdir(args.data):
        raise ValueError(f"--data {args.data} is also a folder; ./{args.data} names the folder")
    data = args.data if args.data.startswith("coco:") else os.path.realpath(args.data)
    output = Path(args.output).resolve()
    preset, why = (args.preset, "") if args.preset else choose_preset(data, output)
    request = Request(
        data=data,
        supervision=args.supervision,
        output=output,
        preset=preset,
        notes=(why,) if why else (),
        num_gpus=args.num_gpus,
        split=args.split,
        val_split=args.val_split,
        strong_split=args.strong_split,
        weak_split=args.weak_split,
        variants=_variants(args.variant),
        val=args.val,
        read=ReadOptions(keypoints=args.keypoints, boxes_as_clicks=args.boxes_as_clicks),
        cues=args.cues and Path(args.cues).resolve(),
        maps=args.maps and Path(args.maps).resolve(),
        options=tuple(args.opts),
        command=shlex.join(["python", "-m", "bestie", "run", *sys.argv[1:]]),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run_pipeline(
            request,
            first=args.first,
            last=args.last,
            forced=args.force,
            keep_code=args.keep_code,
            dry_run=args.dry_run,
        )
    except KeyboardInterrupt:
        program = os.path.basename(sys.argv[0])
        print(f"\n{program}: interrupted; the same command resumes it", file=sys.stderr)
        return 130
    return None
