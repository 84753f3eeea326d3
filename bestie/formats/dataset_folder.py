"""The data set on disk: where each of its files lies, and what is read and written by the root.

The folder contract (``datasets/README.md``) is written down here and nowhere else: whoever needs a
path of it asks a :class:`DatasetFolder`. What is in the files is the business of ``text``,
``images`` and ``coco``.
"""

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bestie.formats.base import DataError, atomic_write
from bestie.formats.images import IMAGE_SUFFIXES
from bestie.formats.text import (
    MAX_CLASSES,
    Points,
    check_class_names,
    check_ids,
    read_class_file,
    read_ids,
    read_points,
    read_tag_lines,
    read_xml_labels,
    write_points,
)

__all__ = [
    "ANNOTATIONS",
    "CLASSES_FILE",
    "CLASS_MASKS",
    "CLICKS",
    "CUES",
    "IMAGES",
    "INSTANCE_MASKS",
    "LISTS",
    "MAPS",
    "POINT_FOLDERS",
    "DatasetFolder",
    "find_image",
    "list_splits",
    "make_ids",
    "missing_image",
    "read_class_names",
    "read_image_labels",
    "read_split",
    "require_files",
]

IMAGES = "JPEGImages"
CUES, CLICKS, MAPS = "Peak_points", "Center_points", "WSSS_maps"
# Names of the classes; the tools of YOLO write a list of the same name.
CLASSES_FILE = "classes.txt"
INSTANCE_MASKS, CLASS_MASKS = "SegmentationObject", "SegmentationClass"
LISTS, ANNOTATIONS, XML_TAGS = "ImageSets", "annotations", "Annotations"
# All folders of a root.
FOLDERS = (IMAGES, CUES, CLICKS, MAPS, INSTANCE_MASKS, CLASS_MASKS, LISTS, ANNOTATIONS, XML_TAGS)
# Supervision -> folder of its points: cues of a classifier, clicks.
POINT_FOLDERS = {"tags": CUES, "clicks": CLICKS}


@dataclass(frozen=True)
class DatasetFolder:
    """A root in the folder contract: its paths, and writing its lists.

    Attributes:
        root: the folder; it need not exist yet.
    """

    root: str | os.PathLike

    def path(self, *names: str) -> str:
        """A path under the root."""
        return os.path.join(self.root, *names)

    @classmethod
    def around(cls, path: str | os.PathLike) -> "DatasetFolder | None":
        """The root that a path names or lies in; None: it lies in no root with splits."""
        path = Path(path).absolute()
        found = (cls(place) for place in (path, *path.parents))
        return next((folder for folder in found if os.path.isdir(folder.split_folder)), None)

    def folder_of(self, path: str | os.PathLike) -> str | None:
        """The folder of the contract that a path names or lies in; "": the root itself.

        None: the path lies outside of the root, or in a part of it that is not of the contract.
        """
        path = Path(path).resolve()
        if path == Path(self.root).resolve():
            return ""
        owned = (name for name in FOLDERS if path.is_relative_to(Path(self.path(name)).resolve()))
        return next(owned, None)

    @property
    def classes_file(self) -> str:
        """Class names, one per line."""
        return self.path(CLASSES_FILE)

    @property
    def tags_file(self) -> str:
        """Tags, one line per image; where it does not exist, tags are in ``xml_file``."""
        return self.path("image_labels.txt")

    @property
    def xml_folder(self) -> str:
        return self.path(XML_TAGS)

    @property
    def image_folder(self) -> str:
        return self.path(IMAGES)

    @property
    def split_folder(self) -> str:
        return self.path(LISTS, "Segmentation")

    @property
    def has_tags(self) -> bool:
        """Whether there are tags in either form."""
        return os.path.isfile(self.tags_file) or os.path.isdir(self.xml_folder)

    def split_file(self, split: str) -> str:
        """Image ids of a split, one per line."""
        return os.path.join(self.split_folder, f"{split}.txt")

    def xml_file(self, image_id: str) -> str:
        """Tags of an image in VOC style."""
        return os.path.join(self.xml_folder, f"{image_id}.xml")

    def image_file(self, image_id: str, suffix: str = ".jpg") -> str:
        """Where an image is to be written; one that is there is found by :func:`find_image`."""
        return self.path(IMAGES, image_id + suffix)

    def points_file(self, image_id: str, folder: str) -> str:
        """Points of an image; ``folder``: CUES or CLICKS."""
        return self.path(folder, f"{image_id}.txt")

    @property
    def map_folder(self) -> str:
        return self.path(MAPS)

    def map_file(self, image_id: str) -> str:
        """Weak semantic map of an image."""
        return self.path(MAPS, f"{image_id}.png")

    def mask_files(self, image_id: str) -> tuple[str, str]:
        """True masks of an image: instances, classes."""
        name = f"{image_id}.png"
        return self.path(INSTANCE_MASKS, name), self.path(CLASS_MASKS, name)

    def ground_truth_json(self, split: str) -> str:
        """COCO ground truth of a split."""
        return self.path(ANNOTATIONS, f"instances_{split}.json")

    def read_class_names(self) -> list[str]:
        """See :func:`read_class_names`."""
        return read_class_names(self.root)

    def read_split(self, split: str) -> list[str]:
        """See :func:`read_split`."""
        return read_split(self.root, split)

    def read_tags(self, ids: Iterable[str] | None = None) -> dict[str, list[int]]:
        """Image id -> class ids; see :func:`read_image_labels`."""
        return read_image_labels(self.root, self.read_class_names(), ids)

    def read_points(self, image_id: str, folder: str = CLICKS) -> Points:
        """Points of an image; ``folder``: CUES or CLICKS. See :func:`~bestie.formats.read_points`.

        Raises:
            DataError: the file is missing, or a line is malformed.
        """
        return read_points(self.points_file(image_id, folder))

    def write_points(self, image_id: str, points: Points, folder: str = CLICKS) -> None:
        """Write the points of an image; ``folder``: CUES or CLICKS.

        Raises:
            DataError: an id or a point that the readers would refuse, such as a class that the
                root does not have.
        """
        path = self.points_file(image_id, folder)
        check_ids([image_id], path)
        self._check_classes({image_id: points.classes.tolist()}, path)
        write_points(path, points)

    def write_class_names(self, class_names: Sequence[str]) -> None:
        """Write the class names.

        Raises:
            DataError: the file is there already, with other names; or names that cannot be read
                again, such as one that is given twice.
        """
        path = self.classes_file
        check_class_names(class_names, path)
        if os.path.isfile(path) and read_class_file(path) != list(class_names):
            raise DataError(f"holds other classes than {', '.join(class_names)}", path)
        _write_lines(path, class_names)

    def write_split(self, split: str, ids: Iterable[str]) -> None:
        """Write the ids of a split.

        Raises:
            DataError: an id that the readers would refuse: with a folder, a blank, or given twice.
        """
        ids, path = list(ids), self.split_file(split)
        check_ids([split], path)
        check_ids(ids, path)
        _write_lines(path, ids)

    def add_tags(self, tags: Mapping[str, Iterable[int]], overwrite: bool = False) -> None:
        """Add tags (image id -> class ids) to the file of the tags, sorted by id.

        Args:
            tags: of the images to add. The class names are written before.
            overwrite: replace the tags of images that the file names already; otherwise these stay.

        Raises:
            DataError: an id or a class that the readers would refuse.
        """
        path, known = self.tags_file, {}
        added = {image_id: list(classes) for image_id, classes in tags.items()}
        check_ids(added, path)
        self._check_classes(added, path)
        if os.path.isfile(path):
            known = read_tag_lines(path, read_class_file(self.classes_file))
        merged = {**known, **added} if overwrite else {**added, **known}
        lines = (" ".join([key, *map(str, sorted(merged[key]))]) for key in sorted(merged))
        _write_lines(path, lines)

    def _check_classes(self, of_images: Mapping[str, Iterable[int]], path: str) -> None:
        """Raise a DataError about a class that the root does not have, as far as it has names."""
        is_named = os.path.isfile(self.classes_file)
        number = len(self.read_class_names()) if is_named else MAX_CLASSES
        for image_id, classes in of_images.items():
            if wrong := [c for c in classes if int(c) != c or not 0 <= c < number]:
                raise DataError(
                    f"image '{image_id}': class {wrong[0]}; 0 to {number - 1} are expected", path
                )


def _write_lines(path: str, lines: Iterable[str]) -> None:
    with atomic_write(path) as file:
        file.writelines(line + "\n" for line in lines)


def read_class_names(root: str | os.PathLike, problems: list[DataError] | None = None) -> list[str]:
    """Class names of a root; see :func:`~bestie.formats.text.read_class_file`."""
    return read_class_file(DatasetFolder(root).classes_file, problems)


def list_splits(root: str | os.PathLike) -> list[str]:
    """Names of the splits of a root, sorted; empty if there are none."""
    return sorted(path.stem for path in Path(DatasetFolder(root).split_folder).glob("*.txt"))


def read_split(
    root: str | os.PathLike, split: str, problems: list[DataError] | None = None
) -> list[str]:
    """Image ids of a split of a root; see :func:`~bestie.formats.text.read_ids`."""
    hint = f"; splits of this root: {list_splits(root) or 'none'}"
    return read_ids(DatasetFolder(root).split_file(split), problems, hint)


def read_image_labels(
    root: str | os.PathLike,
    class_names: list[str],
    ids: Iterable[str] | None = None,
    problems: list[DataError] | None = None,
) -> dict[str, list[int]]:
    """Read the tags of a root: from the file of the tags, or without it from VOC-style xml files.

    Args:
        root: folder-contract root.
        class_names: names of the classes; a tag must be one of their ids (xml: of their names).
        ids: images to read tags of; None: all that are there.
        problems: see :func:`~bestie.formats.text.read_class_file`.

    Returns:
        Image id -> sorted class ids, for the images that the files name; empty if the root has no
        such file. An image can be named without classes: it holds no object.

    Raises:
        DataError: a malformed line or xml file, a class out of range, an id given twice.
    """
    folder = DatasetFolder(root)
    if os.path.exists(folder.tags_file):
        labels = read_tag_lines(folder.tags_file, class_names, problems)
        return labels if ids is None else {i: labels[i] for i in ids if i in labels}
    if ids is None:
        ids = sorted(file.stem for file in Path(folder.xml_folder).glob("*.xml"))
    return {
        image_id: read_xml_labels(folder.xml_file(image_id), class_names, problems)
        for image_id in ids
        if os.path.isfile(folder.xml_file(image_id))
    }


def make_ids(paths: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Id -> image: its path with unusual characters replaced, numbered where that is taken.

    Args:
        paths: images.
        folder: that they lie in; its own path is no part of the ids.
    """
    ids: dict[str, Path] = {}
    taken = set()
    for path in paths:
        relative = path.relative_to(folder).with_suffix("").as_posix()
        stem = re.sub(r"[^\w.-]+", "_", relative).strip("._-") or "image"
        key, number = stem, 2
        while key.lower() in taken:  # some file systems ignore case
            key, number = f"{stem}_{number}", number + 1
        taken.add(key.lower())
        ids[key] = path
    return ids


def find_image(root: str | os.PathLike, image_id: str) -> str | None:
    """Path of an image, with the first suffix that exists (.jpg, .png, ...), or None."""
    stem = DatasetFolder(root).image_file(image_id, "")
    return next((stem + suffix for suffix in IMAGE_SUFFIXES if os.path.isfile(stem + suffix)), None)


def missing_image(root: str | os.PathLike, image_id: str) -> DataError:
    """The error for an id without an image: what lies there in its place, if anything does."""
    stem = DatasetFolder(root).image_file(image_id, "")
    if image_id.endswith(IMAGE_SUFFIXES) and os.path.isfile(stem):
        return DataError("ids are listed in the split without the suffix of the image", stem)
    found = ""
    for path in sorted(glob.glob(f"{glob.escape(stem)}.*")):
        if os.path.islink(path) and not os.path.exists(path):
            found += f"; {os.path.basename(path)} is a link to {os.readlink(path)}, which is gone"
        else:
            kind = "the folder " * os.path.isdir(path)
            found += f"; found {kind}{os.path.basename(path)}"
    return DataError(f"image does not exist (.jpg or .png){found}", stem)


def require_files(root: Path, names: Iterable[str], advice: str) -> None:
    """Raise a DataError that names the files missing under ``root`` and says where to get them."""
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise DataError(f"{len(missing)} file(s) missing: {shown}. {advice}", root)
