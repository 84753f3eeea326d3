"""What a method registers: its configuration keys, their accepted values, and their checks.

``import bestie`` imports the folders under ``bestie/methods/``, and the ``method`` module of each
registers one :class:`Method`. The rooms that read a configuration (``bestie.config``,
``bestie.training``) go through :data:`METHODS` and know none of them by name. Networks and mappers
are registered where they are defined, in Detectron2's registries; the recipes of the pipeline join
several methods and are registered in ``bestie.pipeline.recipe``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor

__all__ = ["METHODS", "AcceptedValues", "Method", "predicts", "register_method"]


@dataclass(frozen=True)
class AcceptedValues:
    """The values that keys accept; a key without an entry accepts every value of its type.

    Attributes:
        choices: key -> accepted values; of a list, of each entry.
        registries: key -> registry (pairs of name and object) of the names that it accepts.
        ranges: key -> lowest and highest accepted value; infinity itself is never accepted.
        lists: key -> lowest and highest accepted value of each entry, accepted lengths (empty: 1 or
            more).
        odd: keys that accept odd positive whole numbers.
    """

    choices: Mapping[str, tuple] = field(default_factory=dict)
    registries: Mapping[str, Iterable] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lists: Mapping[str, tuple[float, float, tuple[int, ...]]] = field(default_factory=dict)
    odd: tuple[str, ...] = ()


def _add_nothing(cfg: CfgNode) -> None:
    """For a method without keys."""


def _no_problems(cfg: CfgNode) -> list[str]:
    return []


def _nothing_to_fill_in(cfg: CfgNode, training: bool) -> list[str]:
    """For a method whose settings do not depend on the data."""
    return []


def _no_weights(cfg: CfgNode) -> None:
    """For a method without backbones of its own."""


def _not_mine(state: Mapping[str, Tensor]) -> None:
    """For a method without weights of its paper."""


@dataclass(frozen=True)
class Method:
    """A method, as the rooms around it see it.

    Attributes:
        name: of its folder under ``bestie/methods/``.
        add_config: adds its keys to a config, in place. A group of keys with a number of classes
            calls it NUM_CLASSES (-1: that of the data).
        accepted: values that its keys accept, checked in every configuration.
        fill_in: adapts settings to the training data, in place, as far as its data sets are
            registered; the second argument is True if a training follows. Returns one line per
            change, for the log. It is called with every configuration, so it looks at
            MODEL.META_ARCHITECTURE first.
        check_config: gives one message per setting that contradicts another one or has no effect.
            It is called with every configuration, so it looks at MODEL.META_ARCHITECTURE first.
        weights: key of a file that one of its networks starts from, besides MODEL.WEIGHTS and
            MODEL.TIMM.WEIGHTS -> where to get the file, for messages. A checkpoint replaces it.
        described_weights: those of them with keys about the labels behind the file, KEY_KIND and
            KEY_LABELS.
        backbone_weights: what the config says of the file that a backbone of the method starts
            from: path, kind and description of the labels; None for other backbones.
        convert_weights: renames a state dict of the paper's own code to the layers of this project;
            None for any other one.
        official_weights: what these are, and the configs that they belong to, for messages.
        label_keys: "tags", "clicks" -> key that lets inference use those of the image.
        check_evaluation: gives one message per setting with which its models cannot be scored.
        replaced_models: Detectron2's meta-architecture -> the one that is built in its place.
    """

    name: str
    add_config: Callable[[CfgNode], None] = _add_nothing
    accepted: AcceptedValues = AcceptedValues()
    fill_in: Callable[[CfgNode, bool], list[str]] = _nothing_to_fill_in
    check_config: Callable[[CfgNode], list[str]] = _no_problems
    weights: Mapping[str, str] = field(default_factory=dict)
    described_weights: tuple[str, ...] = ()
    backbone_weights: Callable[[CfgNode], tuple[str, str, str] | None] = _no_weights
    convert_weights: Callable[[Mapping[str, Tensor]], dict[str, Tensor] | None] = _not_mine
    official_weights: str = ""
    label_keys: Mapping[str, str] = field(default_factory=dict)
    check_evaluation: Callable[[CfgNode], list[str]] = _no_problems
    replaced_models: Mapping[str, str] = field(default_factory=dict)


# Name -> method, in the order of registration.
METHODS: dict[str, Method] = {}


def register_method(method: Method) -> Method:
    """Add a method to :data:`METHODS`.

    Raises:
        ValueError: another one has that name.
    """
    if METHODS.setdefault(method.name, method) is not method:
        raise ValueError(f"a method named {method.name} is registered already")
    return method


def predicts(cfg: CfgNode) -> str:
    """What the model of a config finds: "instances", or "tags" where its class says so."""
    model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)
    return getattr(model, "predicts", "instances")
