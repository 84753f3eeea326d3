#!/usr/bin/env python3
"""`bestie visualize`: draw data, labels and predictions."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("visualize")
