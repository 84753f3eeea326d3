"""Checks of many images: in threads, and by one look at their files where nothing has changed."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from bestie.data.checks.images import ImageFindings
from bestie.data.file_findings import FileFindings

__all__ = ["Checker", "check_images"]

# Images of a group. Handing them to threads one by one would take longer than looking at files that
# are known already.
CHUNK = 64


class Checker(Protocol):
    """Checks one image, called with what names it: an id, or an entry of a COCO json."""

    @property
    def files(self) -> FileFindings:
        """Reads and remembers."""

    @property
    def settings(self) -> str:
        """What the findings of all images depend on besides their files, as text."""

    def __call__(self, image: Any, /) -> ImageFindings: ...

    def files_of(self, image: Any, /) -> list[str]:
        """The files that it looks at, as far as they exist; the image first; none without it."""

    def given(self, image: Any, /) -> str:
        """What the findings of an image depend on besides its files and ``settings``, as text."""

    def is_known(self, image: Any, /) -> bool:
        """Whether no picture of the image has to be decoded."""


def check_images(checker: Checker, images: Sequence[Any], name: str) -> ImageFindings:
    """What is found for all images, in their order.

    They are checked in groups, and a group without an error is remembered: as long as none of its
    files changes, nor what else the check depends on, what was found in it is known.

    Args:
        checker: of one image.
        images: what it takes.
        name: of the check; findings with other settings replace those of its name.
    """
    found = ImageFindings()
    for of_group in _in_threads(checker, images, name):
        found.add(of_group)
    return found


def _in_threads(checker: Checker, images: Sequence[Any], name: str) -> Iterator[ImageFindings]:
    """What is found for each group.

    Decoding runs in threads. Where nothing has to be decoded, they would only wait for each other;
    the first and last image of each group speak for all.
    """
    with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
        results: list[Callable[[], ImageFindings]] = []
        for start in range(0, len(images), CHUNK):
            group = images[start : start + CHUNK]
            check = partial(_check_group, checker, group, name)
            is_known = checker.is_known(group[0]) and checker.is_known(group[-1])
            results.append(check if is_known else pool.submit(check).result)
        try:
            for result in results:
                yield result()
        except BaseException:  # interrupted: the images that are left are not decoded first
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check_group(checker: Checker, group: Sequence[Any], name: str) -> ImageFindings:
    found = ImageFindings()

    def find() -> dict[str, Any] | None:
        for image in group:
            found.add(checker(image))
        return found.summary()

    files = [checker.files_of(image) for image in group]
    if not all(files):  # an image is missing
        find()
        return found
    given = "\n".join([checker.settings, *map(checker.given, group)])
    paths = [path for of_image in files for path in of_image]
    known = checker.files.group(paths, len(group), find, name=name, given=given)
    return found if known is None else ImageFindings.of_summary(known)
