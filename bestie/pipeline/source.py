"""The data of a pipeline run: what is available, and which files a stage reads.

The pipeline opens it before anything else; mistakes in the data are left to the check stage, which
finds all of them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bestie.data.registration import POINT_FOLDERS, dataset_name, ground_truth_json
from bestie.formats import (
    DataError,
    DatasetFolder,
    find_image,
    read_class_names,
    read_image_labels,
    read_split,
)
from bestie.formats.dataset_folder import INSTANCE_MASKS, list_splits
from bestie.formats.supervision import LabelKind, Supervision
from bestie.pipeline.request import Request

__all__ = ["Source", "open_source"]


@dataclass(frozen=True)
class Source:
    """A folder-contract root as one run uses it.

    Attributes:
        root (Path): absolute.
        splits: part -> name of the split: "train" (or "strong" and "weak": masks and clicks) and,
            if there is one to evaluate on, "val".
        ids: part -> image ids, as far as the split file can be read.
        truth: part -> "json", "masks" or "": where the true instances are.
        has_tags: whether there are tags, in either form.
        points (Path | None): folder of supplied cues or of the clicks.
        maps (Path | None): folder of supplied semantic maps of the training split.
        val_maps (Path | None): likewise of the validation split.
        supervision (Supervision | None): the kind of labels of each training split, where they
            differ; None: the run's.
        notes: what a user should know about all this.
    """

    root: Path
    splits: dict[str, str]
    ids: dict[str, list[str]]
    truth: dict[str, str]
    has_tags: bool
    points: Path | None
    maps: Path | None
    val_maps: Path | None
    supervision: Supervision | None = None
    notes: list[str] = field(default_factory=list)

    def why_supplied(self, component: str, supervision: str) -> str:
        """Why nothing has to make the "points" or "maps"; "": they are not supplied."""
        folder = {"points": self.points, "maps": self.maps}[component]
        if folder is None:
            return ""
        if component == "maps":
            return f"maps are supplied ({folder})"
        what = "clicks are given" if supervision == "clicks" else "cues are supplied"
        return f"{what} ({folder})"

    @property
    def pointed(self) -> str:
        """The part whose images have the points."""
        return "weak" if "weak" in self.splits else "train"

    def name(self, part: str) -> str:
        """Name of the data set of a part."""
        return dataset_name("folder", self.root, self.splits[part])

    @property
    def _files(self) -> DatasetFolder:
        return DatasetFolder(self.root)

    @property
    def image_dir(self) -> Path:
        return Path(self._files.image_folder)

    def is_tagged(self, part: str) -> bool:
        """Whether all images of a part have tags; these may be mistaken."""
        ignored: list[DataError] = []
        names, ids = read_class_names(self.root, ignored), self.ids[part]
        tags = read_image_labels(self.root, names, ids, ignored) if self.has_tags else {}
        return bool(tags) and all(image_id in tags for image_id in ids)

    def files(self, component: str) -> dict[str, str | None]:
        """Files of a component of the data: name -> path (None: does not exist).

        Args:
            component: "train images", "train truth", "train split", "strong ...", "weak ...",
                "val ...", "tags", "classes", "points" or "maps" (supplied ones).
        """
        part, _, kind = component.rpartition(" ")
        if component == "classes":
            return self._listed(self._files.classes_file)
        if component == "tags":
            return self._tag_files()
        if component in ("points", "maps", "val maps"):
            folder = {"points": self.points, "maps": self.maps, "val maps": self.val_maps}[
                component
            ]
            assert folder is not None, component
            suffix = ".txt" if component == "points" else ".png"
            return self._of_ids(part or self.pointed, lambda i: os.path.join(folder, i + suffix))
        if part not in self.splits:
            return {}
        if kind == "split":
            return self._listed(self._files.split_file(self.splits[part]))
        if kind == "images":
            return self._of_ids(part, lambda image_id: find_image(self.root, image_id))
        assert kind == "truth", component
        return self._truth_files(part)

    def _listed(self, *paths: str) -> dict[str, str | None]:
        return {Path(path).relative_to(self.root).as_posix(): path for path in paths}

    def _of_ids(self, part: str, path_of: Callable[[str], str | None]) -> dict[str, str | None]:
        return {image_id: path_of(image_id) for image_id in self.ids.get(part, [])}

    def _tag_files(self) -> dict[str, str | None]:
        if os.path.isfile(self._files.tags_file) or not self.has_tags:
            return self._listed(self._files.tags_file)
        ids = [image_id for part in self.ids.values() for image_id in part]
        return self._listed(*map(self._files.xml_file, ids))

    def _truth_files(self, part: str) -> dict[str, str | None]:
        files = {}
        if self.truth[part]:
            files = self._listed(ground_truth_json(self.root, self.splits[part]))
        if self.truth[part] == "masks" or (self.root / INSTANCE_MASKS).is_dir():
            for image_id in self.ids[part]:
                files |= self._listed(*self._files.mask_files(image_id))
        return files


def open_source(request: Request, root: Path) -> Source:
    """Look at what a root holds.

    Args:
        request: of the run.
        root: the folder-contract root of its data.

    Raises:
        DataError: there is no such root or training split.
    """
    root = root.resolve()
    if not root.is_dir():
        raise DataError("--data: is not a folder; the root of a data set is expected", root)
    available = list_splits(root)
    splits: dict[str, str] = dict(request.training_splits)
    notes: list[str] = []
    _require_splits(request, root, available)
    wanted = "val" if request.val_split is None else request.val_split
    if wanted in available:
        splits["val"] = wanted
    elif request.val_split is not None:
        raise DataError(
            f"--val-split: there is no split '{wanted}'; {_found(root, available)}", root
        )
    else:
        notes.append("there is no split 'val': nothing is evaluated")
    # Mistakes in the lists are found again, with all others, by the check stage.
    ignored: list[DataError] = []
    read_class_names(root, ignored)
    ids = {part: read_split(root, name, ignored) for part, name in splits.items()}
    truth = {part: _truth(root, name, ids[part]) for part, name in splits.items()}
    if (
        truth.get("weak") == "masks"
        and _complete(root / INSTANCE_MASKS, ids["weak"], ".png", notes) is None
    ):
        truth["weak"] = ""
    if "val" in splits and not truth["val"]:
        notes.append(f"the split '{wanted}' has no ground truth: nothing is evaluated")
    trained = [image_id for part in request.training_splits for image_id in ids[part]]
    points = _points(request, root, trained, notes)
    map_folder = Path(DatasetFolder(root).map_folder)
    maps = val_maps = None
    if not request.is_mixed:
        maps = request.maps or _complete(map_folder, trained, ".png", notes)
    if "val" in splits and not request.is_mixed:
        val_maps = _complete(request.maps or map_folder, ids["val"], ".png", [])
    has_tags = DatasetFolder(root).has_tags
    mixed = None
    if request.is_mixed:
        kinds = (LabelKind.MASKS, LabelKind.CLICKS)
        mixed = Supervision(dict(zip(request.training_splits.values(), kinds, strict=True)))
    return Source(root, splits, ids, truth, has_tags, points, maps, val_maps, mixed, notes)


def _require_splits(request: Request, root: Path, available: list[str]) -> None:
    missing = [split for split in request.training_splits.values() if split not in available]
    if not missing:
        return
    # Of one kind, or (in the check of rows that divide the images) not divided yet.
    if set(request.training_splits.values()) == {request.split}:
        raise DataError(
            f"--split: there is no split '{request.split}'; {_found(root, available)}", root
        )
    hint = ""
    if request.split in available and not (request.strong_split or request.weak_split):
        hint = (
            f". To divide '{request.split}' into images with masks and images with clicks: bestie "
            f"split --root {root} --split {request.split} --percent 10 --clicks nearest (--percent "
            "is the share with masks; without --clicks, the clicks of the root stay)"
        )
    raise DataError(
        f"--supervision {request.supervision} needs a split of images with masks and one of images "
        f"with clicks; there is no split {' and no split '.join(map(repr, missing))}; "
        f"{_found(root, available)}{hint}",
        root,
    )


def _found(root: Path, splits: list[str]) -> str:
    if not splits:
        return f"no split was found in {DatasetFolder(root).split_folder} (see datasets/README.md)"
    return f"found are {', '.join(splits)}"


def _truth(root: Path, split: str, ids: list[str]) -> str:
    if os.path.isfile(ground_truth_json(root, split)):
        return "json"
    folder = DatasetFolder(root)
    found = any(os.path.isfile(folder.mask_files(image_id)[0]) for image_id in ids)
    return "masks" if found else ""


def _points(request: Request, root: Path, ids: list[str], notes: list[str]) -> Path | None:
    if request.cues is not None:
        return request.cues
    if request.is_mixed:
        return root / POINT_FOLDERS["clicks"]
    if request.supervision not in POINT_FOLDERS:  # a recipe without points
        return None
    folder = root / POINT_FOLDERS[request.supervision]
    if request.supervision == "clicks":
        return folder
    return _complete(folder, ids, ".txt", notes)


def _complete(folder: Path, ids: list[str], suffix: str, notes: list[str]) -> Path | None:
    """``folder`` if it has a file for each image, else None."""
    missing = sum(not (folder / f"{image_id}{suffix}").is_file() for image_id in ids)
    if missing and missing < len(ids):
        notes.append(f"{folder} lacks {missing} of {len(ids)} images: it is not used")
    return None if missing or not ids else folder
