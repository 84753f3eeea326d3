#!/usr/bin/env python3
"""`bestie prepare-voc`: make a data set of the PASCAL VOC 2012 download."""

from bestie.cli.program import run_command

if __name__ == "__main__":
    run_command("prepare-voc")
