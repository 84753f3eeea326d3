#!/usr/bin/env python3
"""`bestie split`: split a training set into images with masks and images with clicks."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("split")
