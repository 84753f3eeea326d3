"""Checks of many images: in threads, and by one look at their files where nothing has changed."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from bestie.data.checks.images import ImageFindings
from bestie.data.file_findings import FileFindings

__all__ = ["GroupChecker"]

# Images of a group. Handing them to threads one by one would take longer than looking at files that
# are known already.
CHUNK = 64


@dataclass(frozen=True)
class GroupChecker:
    """Checks images in groups, called with all of them.

    A group without an error is remembered: as long as none of its files changes, nor what else the
    check depends on, what was found in it is known.

    Attributes:
        check: finds what there is to say of one image.
        files_of: the files that it looks at, as far as they exist; the image first.
        is_known: whether an earlier check has decoded the pictures of an image.
        given: text of what the check of an image depends on besides its files and ``settings``.
        settings: text of what the checks of all images depend on.
        files: remembers.
        name: of the check. Findings with other settings replace those of its name.
    """

    check: Callable[[Any], ImageFindings]
    files_of: Callable[[Any], list[str]]
    is_known: Callable[[Any], bool]
    given: Callable[[Any], str]
    settings: str
    files: FileFindings
    name: str

    def __call__(self, images: Sequence[Any]) -> ImageFindings:
        """What is found for the images, in their order."""
        found = ImageFindings()
        for of_group in self._in_threads(images):
            found.add(of_group)
        return found

    def _in_threads(self, images: Sequence[Any]) -> Iterator[ImageFindings]:
        """What is found for each group.

        Decoding runs in threads. Where nothing has to be decoded, they would only wait for each
        other; the first and last image of each group speak for all.
        """
        with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
            results: list[Callable[[], ImageFindings]] = []
            for start in range(0, len(images), CHUNK):
                group = images[start : start + CHUNK]
                if self.is_known(group[0]) and self.is_known(group[-1]):
                    results.append(partial(self._check_group, group))
                else:
                    results.append(pool.submit(self._check_group, group).result)
            try:
                for result in results:
                    yield result()
            except BaseException:  # interrupted: the images that are left are not decoded first
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _check_group(self, group: Sequence[Any]) -> ImageFindings:
        found = ImageFindings()

        def find() -> dict[str, Any] | None:
            for image in group:
                found.add(self.check(image))
            return found.summary()

        files = [self.files_of(image) for image in group]
        if not all(files):  # an image is missing
            find()
            return found
        given = "\n".join([self.settings, *map(self.given, group)])
        paths = [path for of_image in files for path in of_image]
        known = self.files.group(paths, len(group), find, name=self.name, given=given)
        return found if known is None else ImageFindings.of_summary(known)
