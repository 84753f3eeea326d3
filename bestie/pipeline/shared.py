"""Finished stages of other runs, which a run takes instead of doing the same work again.

A stage is a function of its inputs: data, settings, code, and what earlier stages left. The
manifest of every run has the fingerprints of these, so a stage of another run can be taken if they
are the same. Its files become links to the same content (hard links; copies where the file system
has none): no stage changes a file that it has finished.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bestie.formats import hash_file
from bestie.pipeline.manifest import MANIFEST, VERSION
from bestie.pipeline.stage import broken_outputs, is_finished

__all__ = ["FoundStage", "SharedStages"]

# What the entry of a stage says that was taken: the folder of the run that did it.
TAKEN = "taken_from"


@dataclass(frozen=True)
class FoundStage:
    """A finished stage.

    Attributes:
        name: of the stage.
        folder: of the run.
        entry: of the run's manifest.
    """

    name: str
    folder: Path
    entry: Mapping[str, Any]


class SharedStages:
    """The finished stages of some runs."""

    def __init__(self, folders: Sequence[Path]):
        """
        Args:
            folders: of the runs; those without a readable manifest have nothing to share.
        """
        self.folders = tuple(folders)

    def find(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str],
        hash_of: Callable[[str], str | None] = hash_file,
    ) -> FoundStage | None:
        """A stage of this name with these inputs whose files are all there; None: there is none.

        Args:
            name: of the stage.
            inputs: fingerprints of what it would read now.
            outputs: patterns of the files that it is to leave.
            hash_of: gives the digest of a file.
        """
        for folder, stages in self._manifests():
            entry = stages.get(name)
            if (
                isinstance(entry, dict)
                and entry.get("inputs") == inputs
                and is_finished(entry)
                and set(entry.get("outputs", ())) == set(outputs)
                and not broken_outputs(entry, folder, hash_of)
            ):
                return FoundStage(name, folder, entry)
        return None

    def take(self, found: FoundStage, folder: Path) -> dict[str, Any]:
        """Link the files of a stage into the folder of a run; its entry for the manifest.

        Raises:
            OSError: a file cannot be linked, nor copied.
        """
        source = found.folder / found.name
        if source.is_dir():
            shutil.copytree(source, folder / found.name, symlinks=True, copy_function=_link)
        origin = found.entry.get(TAKEN, str(found.folder))
        return {**found.entry, "status": "done", "reason": "", TAKEN: origin}

    def _manifests(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Folder and stages of the runs that have a manifest of this version."""
        for folder in self.folders:
            try:
                content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(content, dict) and content.get("version") == VERSION:
                yield folder, content.get("stages", {})


def _link(source: str, target: str) -> None:
    """A hard link, or a copy where there can be none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
