"""Sets the number of classes of every head of every model to that of the data."""

from collections.abc import Iterator

from detectron2.config import CfgNode, get_cfg
from detectron2.projects.point_rend import add_pointrend_config

__all__ = ["set_class_counts", "stored_class_count"]

KEY = "NUM_CLASSES"
# Heads that predict semantic maps: they count the background as a class (see files of semantic
# maps: 0 background, class + 1).
SEMANTIC = "MODEL.SEM_SEG_HEAD"
POINTS = "MODEL.POINT_HEAD"


def set_class_counts(cfg: CfgNode, number: int, source: str) -> None:
    """Set every ``MODEL.<...>.NUM_CLASSES`` to the number of classes of the data, in place.

    Semantic heads get one more, the background. So do PointRend's points if they refine a semantic
    head.

    Args:
        cfg: the config; a count that is -1 or Detectron2's default is not set by the user.
        number: foreground classes of the data.
        source: where that number comes from, for the message.

    Raises:
        ValueError: a count that the user set is another one; all of them are named.
    """
    standard = get_cfg()
    add_pointrend_config(standard)
    defaults = dict(_counts(standard.MODEL, "MODEL"))
    wrong = []
    for path, node in _nodes(cfg.MODEL, "MODEL"):
        count = number + 1 if path in _semantic_heads(cfg) else number
        default = defaults.get(path, -1)
        if node[KEY] not in (-1, default, count):
            wrong.append(f"{path}.{KEY} is {node[KEY]}, but {source} has {number} classes")
        node[KEY] = count
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}. Leave it out: the number is taken from the data.")


def stored_class_count(cfg: CfgNode) -> int:
    """Number of foreground classes that a training filled in, for every model; -1: none has."""
    defaults = dict(_counts(get_cfg().MODEL, "MODEL"))
    return max(
        number for path, number in _counts(cfg.MODEL, "MODEL") if path not in (*defaults, POINTS)
    )


def _semantic_heads(cfg: CfgNode) -> tuple[str, ...]:
    if cfg.MODEL.SEM_SEG_HEAD.NAME == "PointRendSemSegHead":
        return SEMANTIC, POINTS
    return (SEMANTIC,)


def _counts(node: CfgNode, path: str) -> Iterator[tuple[str, int]]:
    return ((found, part[KEY]) for found, part in _nodes(node, path))


def _nodes(node: CfgNode, path: str) -> Iterator[tuple[str, CfgNode]]:
    """Groups of keys that hold a number of classes, with their full names."""
    if KEY in node:
        yield path, node
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from _nodes(value, f"{path}.{name}")
