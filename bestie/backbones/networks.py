"""Which network a set of weights belongs to, for messages about files that do not fit.

It reads the names and shapes of timm, torchvision, Detectron2 and the official HRNet, with any
prefix before them.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

__all__ = ["model_hint", "network_hint", "network_of"]

# Parts of a model that a message names, at most.
MAX_LISTED = 4
# Last block of the third stage -> depth, of ResNets with bottlenecks.
DEPTHS = {5: 50, 22: 101, 35: 152}


def network_of(state: Mapping[str, Tensor]) -> str:
    """Name of the backbone in ``state``, such as "HRNet-W48" or "ResNet-50"; "": unknown."""
    for name, value in state.items():
        if re.search(r"(^|\.)stage2\.0\.branches\.0\.0\.conv1\.weight$", name):
            return f"HRNet-W{len(value)}"
        if re.search(r"(^|\.)features\.28\.weight$", name):
            return "VGG16"
    depth = DEPTHS.get(max(_blocks(state), default=-1))
    return f"ResNet-{depth}" if depth else ""


def network_hint(in_file: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The likely cause if a file holds another network than the model is; else ""."""
    theirs, ours = network_of(in_file), network_of(own)
    if not theirs or not ours or theirs == ours:
        return ""
    return (
        f"the file looks like {theirs}, the model is {ours}: take a config of {theirs}, or a file "
        f"of {ours}"
    )


def model_hint(in_file: Iterable[str], own: Iterable[str]) -> str:
    """The likely cause if the parts of a file are those of another model; else "".

    Args:
        in_file: names in the file.
        own: names in the model.
    """
    theirs, ours = list(in_file), list(own)
    # Parts are heads, layers of one head, or stages of a backbone.
    for depth in (1, 2, 3):
        there, here = ({_part(name, depth) for name in names} for names in (theirs, ours))
        common = there & here
        if there - common and here - common:
            parts, own_parts = _list(there - common), _list(here - common)
            return (
                f"the file looks like one of another model, which has {parts} where this one has "
                f"{own_parts}: take the config of that model, or another file"
            )
        theirs, ours = ([n for n in names if _part(n, depth) in common] for names in (theirs, ours))
    return ""


def _list(parts: set[str]) -> str:
    return ", ".join(sorted(parts)[:MAX_LISTED]) + (", ..." if len(parts) > MAX_LISTED else "")


def _part(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def _blocks(state: Iterable[str]) -> list[int]:
    """Numbers of the blocks of a ResNet's third stage."""
    pattern = r"(?:^|\.)(?:layer3|res4)\.(\d+)\.conv3\.weight$"
    return [int(match[1]) for name in state if (match := re.search(pattern, name))]
