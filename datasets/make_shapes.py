#!/usr/bin/env python3
"""Make the built-in data set: rendered scenes in the folder contract, without any download."""

import sys

from bestie.cli.make_shapes import main

if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"make_shapes.py: {error}")
