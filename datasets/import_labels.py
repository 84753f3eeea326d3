#!/usr/bin/env python3
"""`bestie import`: make a data set of your own images and labels."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("import")
