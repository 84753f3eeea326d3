"""Measure what labels, loader, export and training steps cost, beside the network's own passes.

Examples:
    bestie benchmark --quick                      # small images and networks, a minute
    bestie benchmark --json now.json --plots .    # everything, HRNet-W48: half an hour on a CPU
    bestie benchmark --rows network refinement --compare before.json

Times are medians an image; "of network" is the ratio to forward and backward pass of HRNet-W48 in
the same run (the row "network"), the figure to compare machines by. For steady times on a shared
CPU run it with OMP_NUM_THREADS=1.
"""

import argparse
import logging
import re
import sys
import warnings
from pathlib import Path

import torch

from bestie.benchmark import GROUPS, Bench, run_benchmark
from bestie.benchmark.report import compare, environment, read_rows, table, write_rows
from bestie.visualization.plots import plot_curves

__all__ = ["main", "parse_arguments"]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", nargs="+", default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS)
    )
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help=f"cpu or cuda (here: {default})")
    parser.add_argument("--repeat", type=int, default=9, help="repetitions that count")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated scenes")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0, 2], help="numbers of the loader's workers"
    )
    parser.add_argument("--quick", action="store_true", help="small; targets are not judged")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="json of an earlier run")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write the curves as PNG there")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the table.

    Raises:
        ValueError: a mistake in the arguments or the data.
    """
    args = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.filterwarnings("ignore", category=FutureWarning)
    if args.repeat < 1 or args.seed < 0 or min(args.workers) < 0:
        raise ValueError("--repeat must be 1 or more, --seed and --workers 0 or more.")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", args.device):
        raise ValueError(f"--device must be cpu or cuda, got {args.device}.")
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {args.device}: PyTorch finds no GPU here.")
    old = read_rows(args.compare) if args.compare else None
    bench = Bench(device, args.repeat, args.quick, args.seed, tuple(args.workers))
    rows, curves = run_benchmark(bench, args.rows)
    about = environment(bench)
    print(", ".join(f"{key} {value}" for key, value in about.items()), table(rows), sep="\n\n")
    if args.json:
        write_rows(args.json, rows, about)
    if args.plots:
        args.plots.mkdir(parents=True, exist_ok=True)
        for what, series in curves.items():
            picture = plot_curves(series, f"Cost against {what}", what, "ms", smooth=False)
            (args.plots / f"cost_{what.split(',')[0].split()[0]}.png").write_bytes(picture)
    if old is not None:
        print(f"\nAgainst {args.compare}:\n\n{compare(old, rows)}")
