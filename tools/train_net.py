#!/usr/bin/env python3
"""`bestie train`: train or evaluate a model."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("train")
