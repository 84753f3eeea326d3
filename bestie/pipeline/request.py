"""What a user asks of the pipeline: data, supervision, preset, and settings for single stages.

Comes in: command line arguments. Goes out: a checked :class:`Request`. Called by
``tools/run_pipeline.py``; the other modules of the pipeline read it.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bestie.formats import configs_folder

__all__ = ["PRESETS", "STAGES", "SUPERVISIONS", "TRAININGS", "Request", "split_options"]

# In the order in which they run.
STAGES = (
    "check",
    "classifier",
    "cues",
    "maps",
    "bestie",
    "labels",
    "quality",
    "maskrcnn",
    "evaluation",
    "report",
)
# The stages that have a config of their own.
TRAININGS = ("classifier", "bestie", "maskrcnn")
SUPERVISIONS = ("tags", "clicks")
PRESETS = tuple(sorted(path.name for path in (configs_folder() / "pipeline").glob("*")))

# Keys (or their beginnings) that matter to one training only; others go to all three.
OWNERS = {
    "INPUT.TEST_SIZE_KEPT": "bestie",
    "MODEL.PAM.": "classifier",
    "INPUT.COLOR_JITTER": "classifier",
    "MODEL.BESTIE.": "bestie",
    "INPUT.POINT_SCORE_THRESH": "bestie",
    "INPUT.SCALES": "bestie",
    "INPUT.COLOR_AUG": "bestie",
    "VIS_PICTURE_PERIOD": "bestie",
    "MODEL.RPN.": "maskrcnn",
    "MODEL.ROI_": "maskrcnn",
    "MODEL.FPN.": "maskrcnn",
    "MODEL.RESNETS.": "maskrcnn",
    "MODEL.ANCHOR_GENERATOR.": "maskrcnn",
    "INPUT.MIN_SIZE_": "maskrcnn",
    "INPUT.MAX_SIZE_": "maskrcnn",
}
# Keys that matter to all trainings but one.
NOT_FOR = {"INPUT.TEST_SIZE": "maskrcnn"}
# Keys that the pipeline sets -> how to say it instead.
RESERVED = {
    "DATASETS.TRAIN": "--data and --split",
    "DATASETS.TEST": "--data and --val-split",
    "OUTPUT_DIR": "--output",
    "INPUT.POINTS_DIR": "--cues",
    "INPUT.MAPS_DIR": "--maps",
    "MODEL.BESTIE.SUPERVISION": "--supervision",
    "MODEL.BESTIE.TEST.USE_TAGS": "no option: on for the labels, off for the evaluation",
    "MODEL.BESTIE.TEST.USE_CLICKS": "no option: on for the labels of clicks",
    "MODEL.META_ARCHITECTURE": "the configs of a preset",
}
# Keys that mean something else to every training.
SCOPED_ONLY = (
    "MODEL.WEIGHTS",
    "MODEL.WEIGHTS_KIND",
    "MODEL.WEIGHTS_LABELS",
    "MODEL.BACKBONE.NAME",
    "TEST.EVALUATORS",
    "TEST.BEST_METRIC",
)


@dataclass(frozen=True)
class Request:
    """A run of the pipeline.

    Attributes:
        data: folder-contract root, or "coco:JSON:IMAGE_DIR".
        supervision: "tags" or "clicks".
        output (Path): the pipeline's folder, absolute.
        preset: folder under configs/pipeline.
        num_gpus: processes of a training.
        split, val_split: names of the splits of a root; val_split None: "val", if there is one.
        val: "coco:JSON:IMAGE_DIR" to evaluate on, with COCO data; "": none.
        cues, maps (Path | None): folders of supplied points and semantic maps, absolute.
        options: KEY VALUE ..., as the user typed them.
        command: as the user typed it.
    """

    data: str
    supervision: str
    output: Path
    preset: str = "quick"
    num_gpus: int = 1
    split: str = "train"
    val_split: str | None = None
    val: str = ""
    cues: Path | None = None
    maps: Path | None = None
    options: tuple[str, ...] = ()
    command: str = ""

    def __post_init__(self) -> None:
        for name, value, accepted in (
            ("supervision", self.supervision, SUPERVISIONS),
            ("preset", self.preset, PRESETS),
        ):
            if value not in accepted:
                raise ValueError(f"--{name} must be one of {', '.join(accepted)}, got '{value}'")
        if self.num_gpus < 1:
            raise ValueError(f"--num-gpus must be 1 or more, got {self.num_gpus}")
        if self.val and not self.is_coco:
            raise ValueError("--val goes with --data coco:JSON:IMAGE_DIR; a root has --val-split")
        if self.is_coco and self.val_split is not None:
            raise ValueError(
                "--val-split goes with a root; with --data coco:... say --val coco:..."
            )
        for name in ("data", "val", "output", "cues", "maps"):
            _check_path(name, str(getattr(self, name) or ""))
        for name, folder in (("cues", self.cues), ("maps", self.maps)):
            if folder is not None and not folder.is_dir():
                raise ValueError(f"--{name}: there is no folder {folder}")
        split_options(self.options)

    def settings(self, training: str) -> dict[str, str]:
        """KEY -> VALUE of the options that one of TRAININGS gets."""
        return split_options(self.options)[training]

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


def split_options(options: Sequence[str]) -> dict[str, dict[str, str]]:
    """Sort ``KEY VALUE ...`` of the command line by training.

    A key is that of a config ("SOLVER.BASE_LR"), for all trainings to which it means something; or
    "TRAINING:KEY" for one of them; or DEVICE, short for MODEL.DEVICE. What is given for one
    training beats what is given for all.

    Returns:
        Training -> key -> value.

    Raises:
        ValueError: a key without a value, an unknown training, or a key that is not to be set; all
            mistakes at once.
    """
    if len(options) % 2:
        raise ValueError(f"settings come in pairs, KEY VALUE; '{options[-1]}' has no value")
    problems = []
    common: dict[str, dict[str, str]] = {name: {} for name in TRAININGS}
    special: dict[str, dict[str, str]] = {name: {} for name in TRAININGS}
    for given, value in zip(options[::2], options[1::2], strict=True):
        scope, colon, key = given.rpartition(":")
        key = "MODEL.DEVICE" if key == "DEVICE" else key
        if colon and scope not in TRAININGS:
            problems.append(f"{given}: settings can be given for {', '.join(TRAININGS)}")
        elif key in RESERVED:
            problems.append(f"{given} is set by the pipeline; see {RESERVED[key]}")
        elif colon:
            special[scope][key] = value
        elif key in SCOPED_ONLY:
            examples = ", ".join(f"{name}:{key}" for name in TRAININGS)
            problems.append(f"{given} means something else to every training: say {examples}")
        else:
            for name in _trainings_of(key):
                common[name][key] = value
    if problems:
        raise ValueError("; ".join(problems))
    return {name: common[name] | special[name] for name in TRAININGS}


def _trainings_of(key: str) -> tuple[str, ...]:
    owner = next((owner for start, owner in OWNERS.items() if key.startswith(start)), None)
    if owner is not None:
        return (owner,)
    return tuple(name for name in TRAININGS if name != NOT_FOR.get(key))
