#!/usr/bin/env python3
"""Combine COCO jsons for PointWSSIS: pairs that train the refiner, labels that train the student.

Examples:
    tools/combine_labels.py pairs --truth strong.json --labels rough_early.json rough_late.json \\
        --output pairs.json
    tools/combine_labels.py merge --truth strong.json --labels refined_weak.json \\
        --output student.json
"""

import argparse
import sys

from bestie.methods.pointwssis.label_files import merge_labels, pair_labels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pairs", "merge"))
    parser.add_argument("--truth", required=True, metavar="JSON", help="masks of strong images")
    parser.add_argument(
        "--labels",
        required=True,
        nargs="+",
        metavar="JSON",
        help="pairs: rough masks of strong images, one file per teacher checkpoint; merge: labels "
        "of the weak images, one file",
    )
    parser.add_argument("--output", required=True, metavar="JSON", help="file to write")
    args = parser.parse_args()
    if args.what == "pairs":
        print(f"{args.output}: {pair_labels(args.labels, args.truth, args.output)} pairs")
        return
    if len(args.labels) != 1:
        parser.error(f"merge takes one file of labels, got {len(args.labels)}")
    true, labels = merge_labels(args.truth, args.labels[0], args.output)
    print(f"{args.output}: {true} true instances, {labels} labels")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"combine_labels.py: {error}")
