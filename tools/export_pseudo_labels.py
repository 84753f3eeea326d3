#!/usr/bin/env python3
"""`bestie export`: write what a checkpoint finds in a data set as COCO json."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("export")
