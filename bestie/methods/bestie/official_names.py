"""The official weights of BESTIE, renamed to the layers of this project.

Official HRNet: ``seg``, ``center`` and ``offset`` become ``head.semantic``, ``head.center`` and
``head.offset``; anything else goes under ``backbone.network``.

Official ResNet, D being ``semantic_decoder`` or ``instance_decoder``, and N ``center``, ``offset``
or ``semantic`` (there ``seg``):

===========================================  ===============================================
official                                     ``BESTIE``
===========================================  ===============================================
``backbone.*``                               ``backbone.network.*``
``decoder.D.aspp.convs.I.0`` (``.1``)        ``head.D.decoder.res5.project_conv.convs.I``
``decoder.D.aspp.convs.4.aspp_pooling.1``    ``head.D.decoder.res5.project_conv.convs.4.1``
``decoder.D.aspp.project.0`` (``.1``)        ``head.D.decoder.res5.project_conv.project``
``decoder.D.project.I.0`` (``.1``)           ``head.D.decoder.res{4-I}.project_conv``
``decoder.D.fuse.I.*``                       ``head.D.decoder.res{4-I}.fuse_conv.*``
``decoder.*_head.classifier.N.0.*``          ``head.{N}_head.*``
``decoder.*_head.classifier.N.1``            ``head.{N}_predictor``
===========================================  ===============================================

``(.1)`` is the norm of that convolution, ``.norm`` here. In ``fuse.I`` and ``N.0`` ``0.0.0`` and
``0.0.1`` are the depthwise convolution and its norm, ``0.1`` and ``0.2`` the pointwise ones. The
pooling's convolution has no bias there; here it is 0.
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["convert_official_bestie"]


def convert_official_bestie(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """State dict of ``BESTIE`` from one of the official networks; None: it is none of them."""
    if "seg.2.weight" in state:
        return {_rename_hrnet(name): value for name, value in state.items()}
    if "decoder.semantic_decoder.project.0.0.weight" not in state:
        return None
    converted = {_rename_resnet(name): value for name, value in state.items()}
    for name in [name for name in converted if name.endswith("project_conv.convs.4.1.weight")]:
        converted[name.removesuffix("weight") + "bias"] = torch.zeros(len(converted[name]))
    return converted


_HEADS = {"seg": "semantic", "center": "center", "offset": "offset"}


def _rename_hrnet(name: str) -> str:
    head, _, rest = name.partition(".")
    return f"head.{_HEADS[head]}.{rest}" if head in _HEADS else f"backbone.network.{name}"


_SEPARABLE = {
    "0.0.0": "depthwise",
    "0.0.1": "depthwise.norm",
    "0.1": "pointwise",
    "0.2": "pointwise.norm",
}
_NORM = {"0": "", "1": ".norm"}

# Pattern of an official name, new name as a function of the match.
_RESNET_RULES: tuple[tuple[str, Callable[[re.Match], str]], ...] = (
    (r"backbone\.(.*)", lambda m: f"backbone.network.{m[1]}"),
    (
        r"decoder\.(\w+_decoder)\.aspp\.convs\.4\.aspp_pooling\.1\.(.*)",
        lambda m: f"head.{m[1]}.decoder.res5.project_conv.convs.4.1.{m[2]}",
    ),
    (
        r"decoder\.(\w+_decoder)\.aspp\.(convs\.\d|project)\.([01])\.(.*)",
        lambda m: f"head.{m[1]}.decoder.res5.project_conv.{m[2]}{_NORM[m[3]]}.{m[4]}",
    ),
    (
        r"decoder\.(\w+_decoder)\.project\.(\d)\.([01])\.(.*)",
        lambda m: f"head.{m[1]}.decoder.res{4 - int(m[2])}.project_conv{_NORM[m[3]]}.{m[4]}",
    ),
    (
        r"decoder\.(\w+_decoder)\.fuse\.(\d)\.(0\.0\.[01]|0\.[12])\.(.*)",
        lambda m: f"head.{m[1]}.decoder.res{4 - int(m[2])}.fuse_conv.{_SEPARABLE[m[3]]}.{m[4]}",
    ),
    (
        r"decoder\.\w+_head\.classifier\.(\w+)\.0\.(0\.0\.[01]|0\.[12])\.(.*)",
        lambda m: f"head.{_HEADS[m[1]]}_head.{_SEPARABLE[m[2]]}.{m[3]}",
    ),
    (
        r"decoder\.\w+_head\.classifier\.(\w+)\.1\.(weight|bias)",
        lambda m: f"head.{_HEADS[m[1]]}_predictor.{m[2]}",
    ),
)


def _rename_resnet(name: str) -> str:
    for pattern, rename in _RESNET_RULES:
        if match := re.fullmatch(pattern, name):
            return rename(match)
    return name
