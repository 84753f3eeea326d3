#!/usr/bin/env python3
"""`bestie make-maps`: write the weak semantic maps of a classifier."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("make-maps")
