#!/usr/bin/env python3
"""`bestie run`: from images with cheap labels to a trained detector and a report."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("run")
