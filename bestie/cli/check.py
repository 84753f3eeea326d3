"""Find all mistakes in a data set, and count what it holds.

Examples:
    bestie check ROOT --supervision clicks
    bestie check ROOT --split train --json > check.json
    bestie check folder:ROOT:val
    bestie check coco:labels.json:ROOT/JPEGImages

Everything that is there is checked: names, splits, images (each is decoded), tags, points, maps,
ground truth, and whether they agree. Splits to train on (those named with --split, else those that
begin with "train") must have tags, and with --supervision clicks also clicks. With masks+clicks,
splits that end in _s must have masks and those that end in _w clicks; of a split that both were
drawn from, the images are checked. Errors have to be fixed; review the warnings. The exit status is
1 if there is an error, else 0.
"""

import argparse

from bestie.data import survey_data
from bestie.data.checks.survey import SUPERVISIONS
from bestie.formats import to_json

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data",
        metavar="ROOT",
        help="root of the data, folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR or a built-in name",
    )
    parser.add_argument(
        "--split", action="append", default=[], help="split of a root; may be repeated (all)"
    )
    parser.add_argument("--supervision", choices=SUPERVISIONS, help="what it is to be trained with")
    parser.add_argument("--json", action="store_true", help="print json instead of a table")
    parser.add_argument(
        "--shown", type=int, default=50, help="errors and warnings shown a split (%(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; the exit status.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    if args.shown < 0:
        raise ValueError(f"--shown must be 0 or more, got {args.shown}")
    reports = survey_data(args.data, args.split, args.supervision)
    errors = sum(report.count("error") for report in reports.values())
    if args.json:
        content = {name: report.as_dict() for name, report in reports.items()}
        print(to_json(content, indent=1))
        return min(errors, 1)
    for name, report in reports.items():
        print(f"{name}: {report.num_images} images\n\n{report.table()}\n")
        for line in report.problem_lines(args.shown):
            print(line)
        print()
    warnings = sum(report.count("warning") for report in reports.values())
    print(f"{errors or 'no'} error(s), {warnings or 'no'} warning(s)")
    return min(errors, 1)
