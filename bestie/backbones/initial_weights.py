"""Initial weights of backbones: read completely, or an error says what is missing.

They come from a file, from timm's server ("timm"), or from a package ("package:NAME").
"""

import logging
import os
import re
from collections.abc import Mapping

from torch import Tensor, nn

from bestie.backbones.downloads import read_timm_weights
from bestie.backbones.networks import network_hint
from bestie.backbones.package_weights import is_package, read_package_weights
from bestie.backbones.weight_files import read_weights
from bestie.backbones.weights import convert_official, describe_mismatch, needed_names

__all__ = ["load_backbone_weights", "load_initial_weights"]

logger = logging.getLogger(__name__)


def load_initial_weights(
    module: nn.Module,
    weights: str,
    network: str,
    key: str = "MODEL.TIMM.WEIGHTS",
    *,
    other: frozenset[str] = frozenset(),
) -> None:
    """Fill a network of timm with the weights that a config names.

    Args:
        module: network or backbone, filled in place.
        weights: "timm" (its default ImageNet weights), "package:NAME", or a file as
            :func:`load_backbone_weights` takes it.
        network: timm's name of the network.
        key: config key of the value, for messages.
        other: tensors of the network that keep their values: layers of another shape.

    Raises:
        ValueError: they are not available, or do not fit; says what is missing.
    """
    if weights == "timm":
        _fill(module, read_timm_weights(network, key), f"{key} timm ({network})", other)
    elif is_package(weights):
        state = read_package_weights(weights, network, key)
        _fill(module, state, f"{key} {weights}", other)
    else:
        load_backbone_weights(module, weights, key, other=other)


def load_backbone_weights(
    module: nn.Module,
    path: str | os.PathLike,
    key: str = "MODEL.TIMM.WEIGHTS",
    *,
    other: frozenset[str] = frozenset(),
) -> None:
    """Fill a backbone with the weights of a file; everything that it needs must be there.

    Names as in timm, torchvision or official HRNet, or those of a checkpoint of this project
    (detectors included), of which the backbone is taken. Layers that the backbone does not have at
    all (an ImageNet classifier, HRNet's classification head, a later stage) may be left over.

    Args:
        module: backbone, filled in place.
        path: see :func:`bestie.backbones.weight_files.read_weights`.
        key: config key of the path, for messages.
        other: see :func:`load_initial_weights`.

    Raises:
        ValueError: the file cannot be read, or does not fit; says what is missing.
    """
    try:
        state = convert_official(read_weights(path))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    _fill(module, state, f"{key}: {path}", other)


def _fill(
    module: nn.Module, state: Mapping[str, Tensor], source: str, other: frozenset[str]
) -> None:
    found = _backbone_part(state)
    own = {name.removeprefix("network."): value for name, value in module.state_dict().items()}
    own = {name: value for name, value in own.items() if name not in other}
    needed = {name.removeprefix("network.") for name in needed_names(module)}
    missing = [name for name in own if name in needed and name not in found]
    unexpected = [name for name in found if name not in other and _is_unexpected(name, own)]
    mismatched = [
        (name, tuple(found[name].shape), tuple(own[name].shape))
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    if missing or unexpected or mismatched:
        raise ValueError(
            f"{source} does not fit the backbone: "
            + describe_mismatch(network_hint(found, own), missing, unexpected, mismatched)
        )
    filled = {
        name: found[name.removeprefix("network.")]
        for name in module.state_dict()
        if name.removeprefix("network.") in own.keys() & found.keys()
    }
    module.load_state_dict(filled, strict=False)
    unused = dict.fromkeys(name.split(".")[0] for name in found if name not in own)
    logger.info(
        "%s: %d of %d tensors loaded into the backbone%s.",
        source,
        len(filled),
        len(found),
        f"; not used: {', '.join(unused)}" if unused else "",
    )


def _is_unexpected(name: str, own: Mapping[str, Tensor]) -> bool:
    """Whether the network has such a layer, but not this tensor."""
    if name in own or name.split(".")[0] not in {known.split(".")[0] for known in own}:
        return False
    # HRNet's last fusion, and later stages of an EfficientNet: TimmBackbone keeps what is read.
    if re.match(r"stage4\.\d+\.fuse_layers\.", name):
        return False
    stage = re.match(r"blocks\.\d+\.", name)
    return not stage or any(known.startswith(stage[0]) for known in own)


def _backbone_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What belongs to the backbone, without the prefixes of checkpoints."""
    state = {name.removeprefix("model."): value for name, value in state.items()}
    for prefix in ("backbone.bottom_up.", "backbone."):
        if any(name.startswith(prefix) for name in state):
            state = {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
            break
    return {name.removeprefix("network."): value for name, value in state.items()}
