#!/usr/bin/env python3
"""`bestie extract-points`: write the instance cues that a classifier finds."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("extract-points")
