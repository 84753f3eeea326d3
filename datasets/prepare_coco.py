#!/usr/bin/env python3
"""`bestie prepare-coco`: make a data set of the COCO 2017 download."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("prepare-coco")
