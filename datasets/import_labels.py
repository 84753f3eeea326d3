#!/usr/bin/env python3
"""Make a data set of your own images and labels: clicks or tags, from CSV, COCO or LabelMe."""

import sys

from bestie.cli.import_labels import main

if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"import_labels.py: {error}")
