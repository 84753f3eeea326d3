"""Write report.html of a run again: from what the run left, without running anything.

Examples:
    bestie report output/run
"""

import argparse

from bestie.report import write_report

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="DIR", help="folder of a run (`bestie run --output`)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the report and print its path.

    Raises:
        DataError: not the folder of a run.
    """
    print(write_report(parse_arguments(arguments).run))
