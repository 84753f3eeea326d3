"""Combine COCO jsons: corrected labels with the others, and what PointWSSIS trains on.

Examples:
    bestie combine correct --labels labels.json --output merged.json \\
        --truth corrected/annotations/instances_train.json
    bestie combine pairs --truth strong.json --labels rough_early.json rough_late.json \\
        --output pairs.json
    bestie combine merge --truth strong.json --labels refined_weak.json \\
        --output student.json
"""

import argparse

from bestie.formats.corrections import replace_labels
from bestie.formats.supervision import LabelKind
from bestie.methods.pointwssis.label_files import merge_labels, pair_labels

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("correct", "pairs", "merge"))
    parser.add_argument(
        "--truth",
        required=True,
        metavar="JSON",
        help="true masks: corrected labels, or those of strong images",
    )
    parser.add_argument(
        "--labels",
        required=True,
        nargs="+",
        metavar="JSON",
        help="correct: labels of all images, one file; pairs: rough masks of strong images, one "
        "file per teacher checkpoint; merge: labels of the weak images, one file",
    )
    parser.add_argument("--output", required=True, metavar="JSON", help="file to write")
    parser.add_argument(
        "--without-clicks",
        action="store_true",
        help="merge: the labels are plain detections of a teacher, for which nobody has clicked",
    )
    args = parser.parse_args(arguments)
    if args.what != "pairs" and len(args.labels) != 1:
        parser.error(f"{args.what} takes one file of labels, got {len(args.labels)}")
    if args.without_clicks and args.what != "merge":
        parser.error(f"--without-clicks has no effect with {args.what}")
    return args


def main(arguments: list[str] | None = None) -> None:
    """Write the combined file.

    Raises:
        ValueError: a mistake in a file.
    """
    args = parse_arguments(arguments)
    if args.what == "correct":
        images, objects = replace_labels(args.labels[0], args.truth, args.output)
        print(f"{args.output}: {images} images corrected, with {objects} objects")
        return
    if args.what == "pairs":
        print(f"{args.output}: {pair_labels(args.labels, args.truth, args.output)} pairs")
        return
    kind = LabelKind.NONE if args.without_clicks else LabelKind.CLICKS
    true, labels = merge_labels(args.truth, args.labels[0], args.output, kind)
    print(f"{args.output}: {true} true instances, {labels} labels")
