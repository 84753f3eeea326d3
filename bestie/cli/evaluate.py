"""Score labels (a COCO json) against the ground truth of a data set.

Examples:
    bestie evaluate labels.json --dataset folder:ROOT:train
    bestie evaluate baseline.json --dataset folder:ROOT:train --baseline
    bestie evaluate pseudo.json --dataset folder:ROOT:train --baseline --points DIR

A label is a true positive if it is matched, one to one, with an object of its class at a mask IoU
of 0.5 or more. Labels that carry scores get VOC mAP and, where the data set has a COCO json, COCO
AP as well. All ratios are in percent. --baseline writes JSON first: each connected component of
the weak map is an instance; with --points, each that holds exactly one point of its class.
"""

import argparse

from bestie.data import register_dataset
from bestie.evaluation import evaluate_labels
from bestie.formats import to_json, write_coco
from bestie.methods.bestie.baseline import labels_from_components

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", metavar="JSON", help="labels; with --baseline: file to write")
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="NAME",
        help="folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR or a built-in name",
    )
    parser.add_argument(
        "--baseline", action="store_true", help="make the labels from the weak semantic maps"
    )
    parser.add_argument(
        "--maps", metavar="DIR", help="of the baseline (default: WSSS_maps of the root)"
    )
    parser.add_argument(
        "--points", metavar="DIR", help="of the baseline: only components with exactly one point"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        help="of --points: those above it count (0.7)",
    )
    parser.add_argument("--min-area", type=int, help="of the baseline's components (50 pixels)")
    parser.add_argument(
        "--iou", type=float, default=0.5, help="mask IoU of a true positive (%(default)s)"
    )
    parser.add_argument(
        "--max-detections",
        type=int,
        metavar="N",
        help="labels per image and class that count for COCO AP (COCO's 100; more if an image "
        "holds more than 100 objects of a class)",
    )
    parser.add_argument("--json", action="store_true", help="print json instead of tables")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Print the scores.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    for option, other in (
        ("maps", "baseline"),
        ("points", "baseline"),
        ("min_area", "baseline"),
        ("score_threshold", "points"),
    ):
        if getattr(args, option) is not None and not getattr(args, other):
            name = option.replace("_", "-")
            raise ValueError(f"--{name} has no effect without --{other}")
    if args.min_area is not None and args.min_area < 1:
        raise ValueError(f"--min-area must be 1 pixel or more, got {args.min_area}")
    if args.score_threshold is not None and not 0 <= args.score_threshold <= 1:
        raise ValueError(f"--score-threshold must lie in [0, 1], got {args.score_threshold}")
    register_dataset(args.dataset)
    if args.baseline:
        given = {"min_area": args.min_area, "score_threshold": args.score_threshold}
        given = {name: value for name, value in given.items() if value is not None}
        labels = labels_from_components(
            args.dataset, maps_dir=args.maps, points_dir=args.points, **given
        )
        write_coco(args.labels, labels)
    result = evaluate_labels(args.labels, args.dataset, args.iou, args.max_detections)
    print(to_json(result.as_dict(), indent=2) if args.json else result.table())
