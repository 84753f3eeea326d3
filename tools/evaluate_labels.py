#!/usr/bin/env python3
"""`bestie evaluate`: score labels against ground truth."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("evaluate")
