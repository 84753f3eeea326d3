#!/usr/bin/env python3
"""`bestie benchmark`: measure what each step costs."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("benchmark")
