"""The scripts of ``datasets/`` import each other by name, as Python has it when one is run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "datasets"))
