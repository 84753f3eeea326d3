"""Run the rows of a paper's table and show our numbers beside the published ones.

Examples:
    bestie reproduce                                     # the methods and their tables
    bestie reproduce bestie                              # the rows of the tables
    bestie reproduce bestie --table 3                    # on built-in data, three seeds
    bestie reproduce bestie --table 3 --seeds 0 --rows plain pam
    bestie reproduce bestie --table 1 --preset hrnet48 --num-gpus 4 \\
        --data datasets/VOC2012 --split train_aug
    bestie reproduce METHOD --figure 6 --preset r50 --data ROOT SOLVER.IMS_PER_BATCH 8

Each row is a run of `bestie run` with the settings of the row. What rows share is done once, and
the same command again continues where it was interrupted. Mean and spread over the seeds are in
OUTPUT/table_N/results.md and results.json, the runs in OUTPUT/table_N/seed_S/ROW.
"""

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path

from bestie.pipeline import StageError
from bestie.pipeline.recipe import preset_names
from bestie.pipeline.reproduce import BUILT_IN, Order, reproduce
from bestie.pipeline.tables import TABLES, table_for, tables_of

__all__ = ["FAILURES", "main", "parse_arguments"]

# Besides mistakes of the user, these end the command with one message.
FAILURES = (StageError,)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", nargs="?", metavar="METHOD", help=", ".join(TABLES))
    parser.add_argument("--table", metavar="N", help="number (or name) of a table")
    parser.add_argument("--figure", metavar="N", help="number of a figure")
    parser.add_argument(
        "--data",
        default=BUILT_IN,
        metavar="ROOT",
        help="root of the data (default: built-in data, one data set per seed)",
    )
    parser.add_argument("--split", default="train", help="of the data, to train on (%(default)s)")
    parser.add_argument("--val-split", metavar="SPLIT", help="to evaluate on (val)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="for all runs (output/reproduce/METHOD)"
    )
    parser.add_argument("--preset", default="quick", choices=preset_names(), help="(%(default)s)")
    parser.add_argument(
        "--seeds", type=_seed, nargs="+", default=[0, 1, 2], metavar="S", help="(%(default)s)"
    )
    parser.add_argument(
        "--rows", nargs="+", default=[], metavar="ROW", help="some rows by name (default: all)"
    )
    parser.add_argument(
        "--num-gpus", type=int, default=1, metavar="N", help="processes a training (%(default)s)"
    )
    parser.add_argument(
        "--keep-code",
        action="store_true",
        help="keep finished stages although the code or a library has changed",
    )
    parser.add_argument("--dry-run", action="store_true", help="check all, and say what would run")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="settings of every row")
    return parser.parse_intermixed_args(arguments)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number of 0 or more; settings come before --seeds, or after --"
        )
    return int(text)


def main(arguments: list[str] | None = None) -> int | None:
    """Run the rows; the exit status if that was interrupted.

    Raises:
        ValueError: a mistake in the arguments, settings or data.
        StageError: a stage of a row failed.
    """
    args = parse_arguments(arguments)
    if args.table and args.figure:
        raise ValueError("--table and --figure: one of them at a time")
    if not (args.table or args.figure):
        print(_list(args.method) if args.method else _list_methods())
        return None
    if not args.method:
        raise ValueError(f"METHOD is missing: whose table? There are {', '.join(TABLES)}")
    kind = "table" if args.table else "figure"
    output = args.output or Path("output/reproduce") / args.method
    order = Order(
        table=table_for(args.method, kind, args.table or args.figure),
        output=output.resolve(),
        data=args.data,
        preset=args.preset,
        seeds=tuple(args.seeds),
        rows=tuple(args.rows),
        options=tuple(args.opts),
        num_gpus=args.num_gpus,
        split=args.split,
        val_split=args.val_split,
        keep_code=args.keep_code,
        command=shlex.join(["python", "-m", "bestie", "reproduce", *sys.argv[1:]]),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        reproduce(order, dry_run=args.dry_run)
    except KeyboardInterrupt:
        program = os.path.basename(sys.argv[0])
        print(f"\n{program}: interrupted; the same command resumes it", file=sys.stderr)
        return 130
    return None


def _list_methods() -> str:
    """The methods and their tables, without rows."""
    lines = []
    for method, tables in TABLES.items():
        lines.append(f"bestie reproduce {method}")
        lines += [f"    --{table.kind} {table.number}: {table.title}" for table in tables]
    return "\n".join(lines)


def _list(method: str) -> str:
    """The tables of a method and their rows."""
    lines = []
    for table in tables_of(method):
        lines.append(f"--{table.kind} {table.number}: {table.title}")
        lines += [f"    {row.name}: {row.title}" for row in table.rows]
    return "\n".join(lines)
