#!/usr/bin/env python3
"""`bestie predict`: run a checkpoint on photos: overlays and a COCO json."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("predict")
