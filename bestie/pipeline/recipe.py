"""What a recipe is: the trainings and stages from one kind of cheap labels to a trained model.

A recipe is data given to the engine, which knows no method: which supervisions it accepts, which
trainings it has and which configuration keys matter to each, its stages (of the kinds of
``bestie.pipeline.stages``) and what the report shows of them. A folder under ``bestie/methods/``
registers it; it joins other methods by the names of their configs, tools and files only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from detectron2.config import CfgNode

from bestie.formats import configs_folder
from bestie.report import ReportPlan, SectionWriter

__all__ = [
    "RECIPES",
    "Facts",
    "Recipe",
    "Training",
    "preset_names",
    "recipe_for",
    "register_recipe",
    "stage_names",
    "supervisions",
]

# A preset is made for images whose longer side is about INPUT.TEST_SIZE of its configs: at most
# LARGEST times that, and, but for a few (SMALL_SHARE of the images), at least SMALLEST times.
LARGEST, SMALLEST, SMALL_SHARE = 1.5, 0.5, 0.05
# Variants of a training that a run may do without.
ON, OFF = "on", "off"


@dataclass(frozen=True)
class Facts:
    """What a training's settings may depend on.

    Attributes:
        supervision: of the run.
        points: INPUT.POINTS_DIR of this run; "" for the folder that belongs to the supervision.
        maps: INPUT.MAPS_DIR of this run, the best maps that there are before this training.
        preset: the config of the training as the preset has it.
        sides: (N,) int64 longer sides of the images of all splits, pixels.
        given: KEY -> VALUE that the user has set for the training.
    """

    supervision: str
    points: str
    maps: str
    preset: CfgNode
    sides: np.ndarray
    given: Mapping[str, str]

    @property
    def fit_the_preset(self) -> bool:
        """Whether the images have about the size that the preset is made for."""
        own = self.preset.INPUT.TEST_SIZE
        few_small = np.quantile(self.sides, SMALL_SHARE)
        return bool(self.sides.max() <= LARGEST * own and few_small >= SMALLEST * own)


@dataclass(frozen=True)
class Training:
    """A training of a recipe; a preset has a config file of its name.

    Attributes:
        name: also of its stage and of its folder.
        own_keys: keys, or their beginnings, that matter only to this training and to others that
            have them here.
        not_keys: keys that matter to all other trainings.
        labels: file of labels (COCO json) of an earlier stage that it trains on; "": it trains on
            the training split of the data.
        finds_instances: False: it predicts something else than instances.
        evaluated: it is scored on the validation images: with instances, or else with tags.
        supervision_key: key that says what its points are; "": it reads none.
        reads_maps: it reads semantic maps.
        optional: a run may do without it, the stages that use its network and those that only
            serve them; ``--variant`` says whether it does: TRAINING:on, TRAINING:off.
        off_in: presets in which an optional one is off unless it is asked for; it is off, too,
            where the preset has no config for it.
        checkpoints: it leaves so many at least.
        starts_from: training whose backbone it starts from, if it has one of timm.
        window_key: side of the window in which it finds one center, pixels as the network sees the
            images; "": it finds none.
        size_key: size of the objects that the window is set for; above 0 it follows that of the
            data.
        settings: gives further KEY -> VALUE, below those of the user.
    """

    name: str
    own_keys: tuple[str, ...] = ()
    not_keys: tuple[str, ...] = ()
    labels: str = ""
    finds_instances: bool = True
    evaluated: bool = True
    supervision_key: str = ""
    reads_maps: bool = False
    optional: bool = False
    off_in: tuple[str, ...] = ()
    checkpoints: int = 0
    starts_from: str = ""
    window_key: str = ""
    size_key: str = ""
    settings: Callable[[Facts], dict[str, str]] = lambda facts: {}


class StageSpec(Protocol):
    """A stage as a recipe has it; ``bestie.pipeline.stages`` has the kinds."""

    @property
    def name(self) -> str:
        """Also the name of its folder."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def training(self) -> str:
        """Whose network or settings it uses; "": none."""

    @property
    def improves(self) -> str:
        """Stage whose files its own take the place of, for later stages; "": none."""

    @property
    def serves(self) -> tuple[str, ...]:
        """Stages that it works for; empty: it is always needed."""


@dataclass(frozen=True)
class Recipe:
    """A way from labels to a model.

    Attributes:
        name: of the recipe.
        module: that defines it: its code counts for every stage.
        supervisions: that it starts from; each belongs to one recipe.
        trainings: in their order.
        stages: in their order.
        labeler: training whose network gives the labels of the training images; "": none.
        models: name in evaluation/results.json -> title, each standing on the one before.
        reserved: key that the pipeline sets -> how a user says it instead.
        check: gives one message per setting that no run can have, from training -> KEY -> VALUE of
            the trainings that the run has.
        scoped_only: keys that mean something else to every training.
        presets: folder under configs/ with a folder per preset.
        sections: of the report, in their order.
        title: of the report.
        left_out: optional trainings that this run does without.
    """

    name: str
    module: str
    supervisions: tuple[str, ...]
    trainings: tuple[Training, ...]
    stages: tuple[StageSpec, ...]
    labeler: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Mapping[str, Mapping[str, str]]], list[str]] = lambda settings: []
    scoped_only: tuple[str, ...] = (
        "MODEL.WEIGHTS",
        "MODEL.WEIGHTS_KIND",
        "MODEL.WEIGHTS_LABELS",
        "MODEL.BACKBONE.NAME",
        "TEST.EVALUATORS",
        "TEST.BEST_METRIC",
    )
    presets: str = "pipeline"
    sections: tuple[SectionWriter, ...] = ()
    title: str = "Report"
    left_out: tuple[Training, ...] = ()

    @property
    def training_names(self) -> tuple[str, ...]:
        return tuple(training.name for training in self.trainings)

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)

    @property
    def preset_names(self) -> tuple[str, ...]:
        """Folders with a config of each of its trainings that a run cannot do without."""
        files = [f"{training.name}.yaml" for training in self.trainings if not training.optional]
        folders = (configs_folder() / self.presets).glob("*")
        found = [path.name for path in folders if all((path / file).is_file() for file in files)]
        return tuple(sorted(found))

    def config_file(self, preset: str, training: str, variant: str = "") -> Path:
        """Config of a training in a preset."""
        name = training if variant in ("", ON) else f"{training}_{variant}"
        return configs_folder() / self.presets / preset / f"{name}.yaml"

    def check_variants(self, preset: str, variants: Mapping[str, str]) -> None:
        """Raise a ValueError for a variant (training -> variant) that the preset does not have."""
        for training, variant in variants.items():
            if training not in self.training_names:
                names = ", ".join(self.training_names)
                raise ValueError(f"--variant: no training is named {training}, but {names}")
            is_optional = self._training(training).optional
            if is_optional and variant == OFF:
                continue
            is_plain = variant == ON and not is_optional
            if is_plain or not self.config_file(preset, training, variant).is_file():
                start, folder = f"{training}_", self.config_file(preset, training).parent
                found = sorted(path.stem.removeprefix(start) for path in folder.glob(f"{start}*"))
                if is_optional:
                    is_there = self.config_file(preset, training).is_file()
                    found = [ON] * is_there + [OFF, *found]
                raise ValueError(
                    f"--variant: {training} has no variant '{variant}' in the preset {preset}; "
                    f"it has {', '.join(found) or 'none'}"
                )

    def for_run(self, preset: str, variants: Mapping[str, str]) -> "Recipe":
        """This recipe without the optional trainings that a run does without, and their stages."""
        left_out = tuple(t for t in self.trainings if not self._is_on(t, preset, variants))
        if not left_out:
            return self
        off = {training.name for training in left_out}
        dropped = {stage.name for stage in self.stages if {stage.name, stage.training} & off}
        dropped |= {s.name for s in self.stages if s.serves and set(s.serves) <= dropped}
        return replace(
            self,
            trainings=tuple(t for t in self.trainings if t.name not in off),
            stages=tuple(stage for stage in self.stages if stage.name not in dropped),
            left_out=left_out,
        )

    def _is_on(self, training: Training, preset: str, variants: Mapping[str, str]) -> bool:
        if not training.optional:
            return True
        by_default = OFF if preset in training.off_in else ON
        chosen = variants.get(training.name, by_default)
        return chosen != OFF and self.config_file(preset, training.name, chosen).is_file()

    def _training(self, name: str) -> Training:
        return next(training for training in self.trainings if training.name == name)

    def latest(self, name: str, reader: str = "") -> str:
        """The stage whose files a stage reads in place of those of ``name``.

        Args:
            name: of a stage.
            reader: stage that reads, or a training; "": one after all others.
        """
        for stage in self.stages:
            if stage.name == reader:
                break
            if stage.improves == name:
                name = stage.name
        return name

    @property
    def report_plan(self) -> ReportPlan:
        """What the report has to know of it."""
        keys = {training.name: training.supervision_key for training in self.trainings}
        return ReportPlan(
            title=self.title,
            titles={stage.name: stage.title for stage in self.stages},
            trainings=self.training_names,
            detectors=tuple(t.name for t in self.trainings if t.finds_instances),
            labeler=self.labeler,
            models=self.models,
            supervision_keys={name: key for name, key in keys.items() if key},
            map_readers=tuple(t.name for t in self.trainings if t.reads_maps),
        )

    def split_options(self, options: Sequence[str]) -> dict[str, dict[str, str]]:
        """Sort ``KEY VALUE ...`` of the command line by training.

        A key is that of a config ("SOLVER.BASE_LR"), for all trainings to which it means something;
        or "TRAINING:KEY" for one of them; or DEVICE, short for MODEL.DEVICE. What is given for one
        training beats what is given for all.

        Returns:
            Training -> key -> value.

        Raises:
            ValueError: a key without a value, an unknown training, or a key that is not to be set;
                all mistakes at once.
        """
        if len(options) % 2:
            raise ValueError(f"settings come in pairs, KEY VALUE; '{options[-1]}' has no value")
        problems, names = [], self.training_names
        common: dict[str, dict[str, str]] = {name: {} for name in names}
        special: dict[str, dict[str, str]] = {name: {} for name in names}
        for given, value in zip(options[::2], options[1::2], strict=True):
            scope, colon, key = given.rpartition(":")
            key = "MODEL.DEVICE" if key == "DEVICE" else key
            if off := self._left_out_training_of(scope, key):
                problems.append(f"{given}: this run has no {off}; --variant {off}:{ON} adds it")
            elif colon and scope not in names:
                problems.append(f"{given}: settings can be given for {', '.join(names)}")
            elif key.partition(".")[0] in names:
                name, _, rest = key.partition(".")
                problems.append(f"{given}: write {name}:{rest} for a setting of {name} alone")
            elif key in self.reserved:
                problems.append(f"{given} is set by the pipeline; see {self.reserved[key]}")
            elif colon:
                special[scope][key] = value
            elif key in self.scoped_only:
                examples = ", ".join(f"{name}:{key}" for name in names)
                problems.append(f"{given} means something else to every training: say {examples}")
            else:
                for name in self._trainings_of(key):
                    common[name][key] = value
        settings = {name: common[name] | special[name] for name in names}
        if problems := problems + self.check(settings):
            raise ValueError("; ".join(problems))
        return settings

    def _left_out_training_of(self, scope: str, key: str) -> str:
        """The training that this run does without and a setting is for; "": none."""
        for training in self.left_out:
            is_its_own = key.startswith(training.own_keys) and not self._owners(key)
            if scope == training.name or (not scope and is_its_own):
                return training.name
        return ""

    def _owners(self, key: str) -> list[str]:
        """Trainings that alone a key matters to; none: it matters to all, or nearly all."""
        return [t.name for t in self.trainings if key.startswith(t.own_keys)]

    def _trainings_of(self, key: str) -> list[str]:
        if owners := self._owners(key):
            return owners
        return [training.name for training in self.trainings if key not in training.not_keys]


# Name -> recipe, in the order of registration.
RECIPES: dict[str, Recipe] = {}


def register_recipe(recipe: Recipe) -> Recipe:
    """Add a recipe to :data:`RECIPES`.

    Raises:
        ValueError: its name, or one of its supervisions, belongs to another one.
    """
    if RECIPES.get(recipe.name, recipe) is not recipe:
        raise ValueError(f"a recipe named {recipe.name} is registered already")
    for other in RECIPES.values():
        shared = sorted(set(other.supervisions) & set(recipe.supervisions))
        if shared and other is not recipe:
            raise ValueError(f"{', '.join(shared)} belongs to the recipe {other.name}")
    RECIPES[recipe.name] = recipe
    return recipe


def recipe_for(supervision: str) -> Recipe:
    """The recipe that starts from a kind of labels.

    Raises:
        ValueError: none does; those that are accepted are named.
    """
    for recipe in RECIPES.values():
        if supervision in recipe.supervisions:
            return recipe
    accepted = ", ".join(supervisions())
    raise ValueError(f"--supervision must be one of {accepted}, got '{supervision}'")


def supervisions() -> tuple[str, ...]:
    """The supervisions of all recipes."""
    return tuple(name for recipe in RECIPES.values() for name in recipe.supervisions)


def stage_names() -> tuple[str, ...]:
    """The stages of all recipes; each name once."""
    return tuple(dict.fromkeys(name for recipe in RECIPES.values() for name in recipe.stage_names))


def preset_names() -> tuple[str, ...]:
    """The presets of all recipes; each name once, sorted."""
    return tuple(sorted({name for recipe in RECIPES.values() for name in recipe.preset_names}))
