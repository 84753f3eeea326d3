#!/usr/bin/env python3
"""`bestie check`: find all mistakes in a data set."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("check")
