#!/usr/bin/env python3
"""Prints what is installed, whether it works, and a verdict: bestie.cli.doctor, whatever is
missing.

Runs the file by its path: importing the package would fail first where Detectron2 is missing.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(
        str(Path(__file__).resolve().parent.parent / "bestie" / "cli" / "doctor.py"),
        run_name="__main__",
    )
