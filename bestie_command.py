"""The console script ``bestie``.

It runs the file of the program by its path. ``import bestie`` registers every network with
Detectron2 and takes seconds: ``bestie --help`` does not wait for that, and ``bestie doctor`` works
where the package cannot be imported.
"""

import runpy
import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Find the package without importing it, and start its program."""
    package = find_spec("bestie")
    if package is None or package.origin is None:
        sys.exit("bestie: the package bestie is not installed")
    runpy.run_path(str(Path(package.origin).with_name("cli") / "program.py"))["main"]()


if __name__ == "__main__":
    main()
