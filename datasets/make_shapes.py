#!/usr/bin/env python3
"""`bestie make-shapes`: make the built-in data set."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("make-shapes")
