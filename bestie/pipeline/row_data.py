"""The data of a table's rows: the built-in data, and roots whose training images are divided.

Both are made once and found again by the next call.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bestie.data.shapes.generator import Settings, make_shapes
from bestie.formats import DataError, atomic_write
from bestie.formats.dataset_folder import CLICKS, MAPS
from bestie.pipeline.derived import link_root, link_root_to_split
from bestie.pipeline.process import Command, CommandError, run_command

__all__ = ["built_in_root", "divided_root"]

# In a root that was divided into splits: that it is complete, and the version of what it holds. A
# root of another version is divided again.
DIVIDED, VERSION = ".divided", "2"


def built_in_root(folder: Path, settings: Settings) -> Path:
    """The root of built-in data with tags and clicks.

    The simulated weak maps are left out: no method made them.

    Args:
        folder: for the data.
        settings: of the data.
    """
    made, root = folder / "all", folder / "root"
    make_shapes(made, settings)
    link_root(made, root, without=(MAPS,))
    return root


def divided_root(root: Path, folder: Path, arguments: Sequence[str], seed: int) -> Path:
    """A root of links to another one, whose training images are divided by ``bestie split``.

    Clicks of the root are used; if it has none, or the arguments ask for clicks, they are made of
    the masks.

    Args:
        root: with masks.
        folder: for the new root.
        arguments: of the command ("--percent", "10", "--clicks", "random").
        seed: of the draw.

    Raises:
        DataError: what the command says is wrong with the data.
    """
    name = re.sub(r"[^\w.]+", "_", "_".join(arguments)).strip("_")
    # Roots share the folder.
    source = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()
    target = folder / f"{name}_seed_{seed}_{source[:8]}"
    marker = target / DIVIDED
    if marker.is_file() and marker.read_text(encoding="utf-8") == VERSION:
        return target
    link_root_to_split(root, target)
    given = ["--root", str(target), *arguments, "--seed", str(seed), "--overwrite"]
    if "--clicks" not in arguments and not (root / CLICKS).is_dir():
        given += ["--clicks", "nearest"]
    try:
        run_command(Command("split", tuple(given)), target / "split.log")
    except CommandError as error:
        raise DataError(str(error), root) from error
    with atomic_write(marker) as file:
        file.write(VERSION)
    return target
