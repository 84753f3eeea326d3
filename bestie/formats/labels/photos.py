"""Which image of a folder a label means: by its path, or by its name if that is clear.

A name with folders must fit the folders of the image: one of both paths is the end of the other,
the name of the image folder included. Names are compared in one Unicode form.
"""

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from bestie.formats.images import PHOTO_SUFFIXES, list_photos, walk_folders
from bestie.formats.labels.base import Row

__all__ = ["PhotoFinder", "name_parts"]

Parts = tuple[str, ...]
# An upload of Label Studio; it puts eight hexadecimal digits in front of the name.
UPLOAD = re.compile(r"/data/upload/(?:\d+/)?([0-9a-f]{8}-([^/]+))")


class PhotoFinder:
    """Finds images of a folder by the names that labels give them."""

    def __init__(self, folder: Path):
        """
        Args:
            folder: with all folders in it, links included.
        """
        self.folder = folder
        self.photos = list_photos(folder)
        self._relative = {
            path: name_parts(path.relative_to(folder).as_posix()) for path in self.photos
        }
        self._above = name_parts(os.path.realpath(folder))
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path, parts in self._relative.items():
            self._by_name[parts[-1]].append(path)
            self._by_name[_stem(parts[-1])].append(path)
        # Not Path.resolve(), for which a link to itself is an error in itself.
        self._resolved = {Path(os.path.realpath(path)): path for path in self.photos}
        self._by_lower_name = {
            parts[-1].lower(): path for path, parts in reversed(self._relative.items())
        }
        self._instead_of: dict[str, str] = {}
        self._named: dict[Path, Parts] = {}
        self._uploads: dict[Path, tuple[str, bool]] = {}

    def find(self, row: Row) -> Path | str:
        """The image of a row, or what is wrong with its name."""
        for path in row.beside:
            known = self._resolved.get(Path(os.path.realpath(path)))
            if known is not None:
                return known
        upload = UPLOAD.fullmatch(row.image)
        if upload is None:
            return self._note_upload(self._find(row), row.image, is_short=False)
        # The name of the upload wins over that of the file that was uploaded.
        exact, short = upload.groups()
        is_short = bool(
            not self._by_name[name_parts(exact)[-1]] and self._by_name[name_parts(short)[-1]]
        )
        found = self._find(replace(row, image=short if is_short else exact))
        return self._note_upload(found, row.image, is_short)

    def _note_upload(self, found: Path | str, image: str, is_short: bool) -> Path | str:
        """The image; a mistake if two names mean it, one of them without its prefix."""
        if isinstance(found, str):
            return found
        before, was_short = self._uploads.setdefault(found, (image, is_short))
        if before != image and (is_short or was_short):
            return f"images '{image}' and '{before}' both stand for {self._shown(found)}"
        return found

    def _find(self, row: Row) -> Path | str:
        name = name_parts(row.image)
        if not name:
            return f"image '{row.image}' is not the name of a file"
        candidates = [path for path in self._by_name[name[-1]] if self._fits(name, path)]
        if len(candidates) > 1 and len(name) == 1:
            beside = self._in_folders_of(row.file, candidates)
            whole = any(self._relative[path] == name for path in candidates)
            if beside and whole and row.line is None:
                # A file about one image, in a folder of that name: either of them may be meant.
                several = ", ".join(map(self._shown, candidates[:3]))
                return f"image '{row.image}' stands for several: {several}"
            candidates = candidates if whole else beside or candidates
        # A whole path wins over the end of one, a name with its suffix over one without.
        for exact in (
            [path for path in candidates if self._relative[path] == name],
            [path for path in candidates if self._relative[path][-1] == name[-1]],
            candidates,
        ):
            if len(exact) == 1:
                return self._checked(row.image, name, exact[0])
        if not candidates:
            return f"image '{row.image}' is not in {self.folder}{self._instead(name)}"
        several = ", ".join(map(self._shown, candidates[:3]))
        return f"image '{row.image}' stands for several: {several}; write the folder, too"

    def _fits(self, name: Parts, path: Path) -> bool:
        """Whether the folders of a name are those of an image."""
        relative = self._relative[path]
        whole = self._above + relative
        common = 1
        while common < min(len(name), len(whole)) and name[-common - 1] == whole[-common - 1]:
            common += 1
        return common == len(name) or (common > 1 and common >= len(relative))

    def _in_folders_of(self, file: Path, candidates: list[Path]) -> list[Path]:
        """Those whose folders are the last ones of a label file (labels/d1/a.xml, d1/a.png)."""
        folders = name_parts(os.path.realpath(file.parent))
        named = [
            path
            for path in candidates
            if (own := self._relative[path][:-1]) and folders[-len(own) :] == own
        ]
        deepest = max((len(self._relative[path]) for path in named), default=0)
        return [path for path in named if len(self._relative[path]) == deepest]

    def _checked(self, image: str, name: Parts, path: Path) -> Path | str:
        """The image, unless a label of another folder got it before."""
        folders, before = name[:-1], self._named.setdefault(path, name[:-1])
        shared = min(len(folders), len(before))
        if shared and folders[-shared:] != before[-shared:]:
            other = "/".join(before)
            return f"image '{image}' and one in '{other}' both stand for {self._shown(path)}"
        self._named[path] = max(folders, before, key=len)
        return path

    def _instead(self, name: Parts) -> str:
        """What the folder holds in place of a name."""
        last = name[-1]
        if last not in self._instead_of:
            self._instead_of[last] = self._look_for(last)
        return self._instead_of[last]

    def _look_for(self, last: str) -> str:
        if self._by_name[last]:
            found = ", ".join(map(self._shown, self._by_name[last][:3]))
            return f", but {found}: the folders of the name must be those of the image"
        if path := self._by_lower_name.get(last.lower()):
            return f", but {self._shown(path)} (another case)"
        same_stem = [p for p in self._by_name[_stem(last)] if _stem(self._relative[p][-1]) != last]
        if same_stem:
            return f", but {self._shown(same_stem[0])} (another suffix)"
        other = self._other_files.get(last) or self._other_files.get(_stem(last))
        if other is not None:
            accepted = ", ".join(PHOTO_SUFFIXES)
            found = "" if other.name == last else f", but {self._shown(other)}"
            return f"{found}: its suffix '{other.suffix}' is not accepted ({accepted})"
        return ""

    @cached_property
    def _other_files(self) -> dict[str, Path]:
        """Files of the folder that are no images, by name and by stem."""
        found: dict[str, Path] = {}
        for place, _, names in walk_folders(self.folder):
            for name in names:
                path = Path(place, name)
                if path not in self._relative:
                    found.setdefault(name_parts(name)[-1], path)
                    found.setdefault(_stem(name_parts(name)[-1]), path)
        return found

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def _stem(name: str) -> str:
    return Path(name).stem


def name_parts(name: str) -> Parts:
    """Folders and name, without what says nothing: a drive, ".", "..", doubled slashes."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    return tuple(part for part in name.split("/") if part not in ("", ".", ".."))
