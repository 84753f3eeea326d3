"""The tools import their helpers from the folder that they lie in; so do their tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tools"))
