#!/usr/bin/env python3
"""`bestie combine`: combine COCO json files of strong and weak images."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("combine")
