"""Values of a configuration, from YAML or from the command line: whole numbers, texts, lists.

:class:`Config` is Detectron2's ``CfgNode`` with one rule for values of another type than the
default: what is the same number is accepted (1 for 1.0, 1e4 for 10000), everything else is refused
by a message that names the key, what was found and what is accepted; all mistakes at once.

The ``config.yaml`` of a training that is older than a key is still read (see
:func:`complete_stored_config`).
"""

import copy
import logging
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.utils.logger import log_first_n

from bestie.formats.supervision import LabelKind

__all__ = ["Config", "complete_stored_config", "convert_value"]

# Keys that a training writes into its config.yaml and that nobody writes by hand.
STORED = {"VERSION", "CUDNN_BENCHMARK", "GLOBAL"}

# Lists that hold whole numbers by default or fractions by default, and take both: their meaning
# depends on another key (shares of the image or pixels), or any length will do.
MIXED_LISTS = ("INPUT.CROP.SIZE", "MODEL.ANCHOR_GENERATOR.SIZES")
NAMES = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


class Config(CfgNode):
    """Detectron2's configuration; see the module's docstring.

    Only the root is of this class, its groups are plain ``CfgNode``: any ``add_..._config`` can
    add to it.
    """

    @classmethod
    def of(cls, cfg: CfgNode) -> "Config":
        """The same keys and values with the rule for types."""
        root = cls()
        for name, value in cfg.items():
            root[name] = value
        return root

    @classmethod
    def _decode_cfg_value(cls, value: Any) -> Any:
        return CfgNode(value) if isinstance(value, dict) else super()._decode_cfg_value(value)

    def merge_from_other_cfg(self, cfg_other: CfgNode) -> None:
        """Take over the values of a node, which a YAML file gave.

        Raises:
            ValueError: values of a wrong type, all of them.
            KeyError: an unknown key.
        """
        problems: list[str] = []
        converted = copy.deepcopy(cfg_other)
        added = complete_stored_config(converted, self)
        if added:
            text = (
                f"This config was stored before there was {', '.join(added)}; read as "
                f"'{LabelKind.UNKNOWN}': only words say which labels are behind those weights"
            )
            log_first_n(logging.WARNING, text, key="message", name=__name__)
        self._convert_node(self, converted, "", problems)
        _raise(problems)
        super().merge_from_other_cfg(converted)

    def merge_from_list(self, cfg_list: Sequence[Any]) -> None:
        """Take over KEY VALUE ..., as typed at the end of a command; of a key that is given twice,
        the last value counts.

        Raises:
            ValueError: values of a wrong type, all of them.
            AssertionError: an unknown key, or one without a value.
        """
        problems: list[str] = []
        converted = list(cfg_list)
        for place in range(0, len(converted) - 1, 2):
            default = _value_of(self, converted[place])
            if default is not None:
                key, value = converted[place : place + 2]
                converted[place + 1] = self._convert(key, value, default, problems)
        _raise(problems)
        super().merge_from_list(converted)

    @classmethod
    def _convert_node(cls, node: CfgNode, given: CfgNode, start: str, problems: list[str]) -> None:
        for name, value in given.items():
            default = node.get(name)
            if isinstance(default, CfgNode) and isinstance(value, dict):
                cls._convert_node(default, value, f"{start}{name}.", problems)
            elif default is not None:
                given[name] = cls._convert(f"{start}{name}", value, default, problems)

    @classmethod
    def _convert(cls, key: str, value: Any, default: Any, problems: list[str]) -> Any:
        decoded = cls._decode_cfg_value(value)
        if isinstance(default, str) and isinstance(value, str) and not isinstance(decoded, str):
            decoded = value  # a name that looks like a number: OUTPUT_DIR 2024
        try:
            decoded = convert_value(key, decoded, default)
        except ValueError as error:
            problems.append(str(error))
        # Detectron2 decodes it once more.
        return repr(decoded) if isinstance(decoded, str) else decoded


def complete_stored_config(given: CfgNode, defaults: CfgNode) -> list[str]:
    """Add what older versions of this project did not write into a ``config.yaml``, in place.

    Weights that KEY_LABELS describes in words got KEY_KIND later: it becomes "unknown". A file
    that a person wrote is left alone, since both keys are needed there.

    Args:
        given: content of a file.
        defaults: node with all keys that there are now.

    Returns:
        The keys that were added.
    """
    return _add_kinds(given, defaults, "") if STORED <= given.keys() else []


def _add_kinds(given: CfgNode, defaults: CfgNode, start: str) -> list[str]:
    added = []
    for name, value in list(given.items()):
        kind = f"{name.removesuffix('_LABELS')}_KIND"
        if isinstance(value, CfgNode) and isinstance(defaults.get(name), CfgNode):
            added += _add_kinds(value, defaults[name], f"{start}{name}.")
        elif name.endswith("_LABELS") and value and kind in defaults and kind not in given:
            given[kind] = str(LabelKind.UNKNOWN)
            added.append(f"{start}{kind}")
    return added


def convert_value(key: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``, if it is the same value in that type.

    Args:
        key: full name of the key, for the message.
        value: as read from YAML or the command line.
        default: the value that it replaces.

    Raises:
        ValueError: it is of another type.
    """
    if isinstance(default, CfgNode):
        if not isinstance(value, dict):
            raise ValueError(f"{key} is a group of keys, got the value {value!r}")
        return value
    if isinstance(default, list | tuple):
        return _convert_list(key, value, default)
    if type(value) is type(default) or value is None and isinstance(default, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, float) and number:
        return float(value)
    if type(default) is int and number and float(value).is_integer():
        return int(value)
    accepted = NAMES.get(type(default), type(default).__name__)
    hint = " (put it in quotes)" if isinstance(default, str) and number else ""
    raise ValueError(f"{key} must be {accepted}{hint}, got {value!r}")


def _convert_list(key: str, value: Any, default: list | tuple) -> Any:
    """A list whose numbers have the type of those in ``default``; nested ones alike."""
    if not isinstance(value, list | tuple):
        example = f" such as {list(default)}" if default else ""
        raise ValueError(f"{key} must be a list{example}, got {value!r}")
    kinds = {type(entry) for entry in _leaves(default)}
    if not kinds or not kinds <= {int, float}:
        return value
    accepts_fractions = float in kinds or key in MIXED_LISTS
    expected = 0.0 if accepts_fractions else 0
    for entry in _leaves(value):
        try:
            convert_value(key, entry, expected)
        except ValueError:
            what = "numbers" if accepts_fractions else "whole numbers"
            raise ValueError(f"{key} must hold {what}, got {entry!r} in {list(value)}") from None
    return value if key in MIXED_LISTS else _map_leaves(value, type(expected))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in _leaves(entry)]
    return [value]


def _map_leaves(value: Any, function: type) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_map_leaves(entry, function) for entry in value)
    return function(value)


def _value_of(node: CfgNode, key: Any) -> Any:
    """Value of a dotted key; None if it is unknown."""
    for part in str(key).split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return None
        node = node[part]
    return node


def _raise(problems: list[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))
