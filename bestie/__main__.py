"""``python -m bestie``: the same as the console script."""

from bestie.cli.program import main

if __name__ == "__main__":
    main()
