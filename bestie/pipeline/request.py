"""What a user asks of the pipeline: data, supervision, preset, and settings for single stages.

The command line becomes a checked :class:`Request`, which the other modules of the pipeline read.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bestie.formats.labels.base import ReadOptions
from bestie.formats.supervision import MIXED
from bestie.pipeline.recipe import Recipe, StageSpec, recipe_for

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A run of the pipeline.

    Attributes:
        data: folder-contract root, or "coco:JSON:IMAGE_DIR".
        supervision: kind of the labels; it decides the recipe.
        output (Path): the pipeline's folder, absolute.
        preset: name of a folder of configs of the recipe.
        num_gpus: processes of a training.
        split, val_split: names of the splits of a root; val_split None: "val", if there is one.
        strong_split, weak_split: of masks+clicks, the splits with masks and with clicks; "":
            ``split`` with _s and _w.
        variants: training -> variant of its config in the preset, <training>_<variant>.yaml; "on"
            or "off" for a training that a run may do without.
        val: "coco:JSON:IMAGE_DIR" to evaluate on, with COCO data; "": none.
        read (ReadOptions): which points and boxes of a COCO json are clicks.
        cues, maps (Path | None): folders of supplied points and semantic maps, absolute.
        options: KEY VALUE ..., as the user typed them.
        notes: what the user should know about this request.
        command: as the user typed it.
        more_stages: stages that only this run has, each with the name of the one that it follows.
    """

    data: str
    supervision: str
    output: Path
    preset: str = "quick"
    num_gpus: int = 1
    split: str = "train"
    val_split: str | None = None
    strong_split: str = ""
    weak_split: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    val: str = ""
    read: ReadOptions = ReadOptions()
    cues: Path | None = None
    maps: Path | None = None
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    more_stages: tuple[tuple[str, StageSpec], ...] = ()

    def __post_init__(self) -> None:
        presets = recipe_for(self.supervision).preset_names
        if self.preset not in presets:
            raise ValueError(f"--preset must be one of {', '.join(presets)}, got '{self.preset}'")
        if self.num_gpus < 1:
            raise ValueError(f"--num-gpus must be 1 or more, got {self.num_gpus}")
        recipe_for(self.supervision).check_variants(self.preset, self.variants)
        self._check_maps()
        self._check_splits()
        if self.val and not self.is_coco:
            raise ValueError("--val goes with --data coco:JSON:IMAGE_DIR; a root has --val-split")
        if self.is_coco and self.val_split is not None:
            raise ValueError(
                "--val-split goes with a root; with --data coco:... say --val coco:..."
            )
        if self.read != ReadOptions() and not (self.is_coco and self.supervision == "clicks"):
            raise ValueError(
                "--keypoints and --boxes-as-clicks go with --data coco:JSON:IMAGE_DIR and "
                "--supervision clicks"
            )
        for name in ("data", "val", "output", "cues", "maps"):
            _check_path(name, str(getattr(self, name) or ""))
        for name, folder in (("cues", self.cues), ("maps", self.maps)):
            if folder is not None and not folder.is_dir():
                raise ValueError(f"--{name}: {folder} is not a folder")
        self.recipe.split_options(self.options)

    def _check_splits(self) -> None:
        if not self.is_mixed and (self.strong_split or self.weak_split):
            raise ValueError(f"--strong-split and --weak-split go with --supervision {MIXED}")
        if self.is_mixed and self.is_coco:
            raise ValueError(
                f"--supervision {MIXED} needs a root with two splits, not {self.data}; `bestie "
                "import --images IMAGE_DIR --labels JSON --output ROOT` makes one of a json with "
                "masks and clicks (a point per object); of the official COCO download `bestie "
                "prepare-coco` makes a root, and `bestie split` its splits"
            )
        if self.is_mixed and (self.cues or self.maps):
            raise ValueError(f"--cues and --maps have no effect with --supervision {MIXED}")

    def _check_maps(self) -> None:
        for training in self.recipe.trainings if self.maps else ():
            if training.optional and training.reads_maps and training.name in self.variants:
                raise ValueError(
                    f"--variant {training.name}:{self.variants[training.name]} has no effect with "
                    "--maps: maps that are supplied are used as they are"
                )

    @property
    def training_splits(self) -> dict[str, str]:
        """Part of the data that trains -> split: "train", or "strong" and "weak"."""
        if not self.is_mixed:
            return {"train": self.split}
        strong, weak = self.strong_split or f"{self.split}_s", self.weak_split or f"{self.split}_w"
        return {"strong": strong, "weak": weak}

    @property
    def is_mixed(self) -> bool:
        """Whether some images have masks and the others clicks."""
        return self.supervision == MIXED

    @property
    def recipe(self) -> Recipe:
        """The recipe that starts from this supervision, with what this run makes of it."""
        recipe = recipe_for(self.supervision).for_run(self.preset, self.variants)
        if not self.more_stages:
            return recipe
        stages = list(recipe.stages)
        for after, stage in self.more_stages:
            stages.insert([other.name for other in stages].index(after) + 1, stage)
        return replace(recipe, stages=tuple(stages))

    def settings(self, training: str) -> dict[str, str]:
        """KEY -> VALUE of the options that a training of the recipe gets."""
        return self.recipe.split_options(self.options)[training]

    @property
    def is_coco(self) -> bool:
        """Whether the data is a COCO json with a folder of images."""
        return self.data.startswith("coco:")


def _check_path(name: str, path: str) -> None:
    """Refuse the few paths that logs and configs cannot hold.

    Raises:
        ValueError: a control character, or bytes that are no text.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path):
        raise ValueError(
            f"--{name}: the path {path!r} holds a control character (such as a line break) or is "
            "not valid UTF-8; rename it, or name it by a link"
        )
