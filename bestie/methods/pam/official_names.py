"""The official weights of the PAM classifier, renamed to the layers of this project.

``features`` goes under ``backbone``, ``extra_conv1`` to ``extra_conv3``
become ``head.convs.0`` to ``head.convs.2``, ``extra_conv4`` becomes ``head.classifier``;
``layerI_convJ`` are aliases and dropped.
"""

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["convert_official_pam"]


def convert_official_pam(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """State dict of ``PAMClassifier`` on VGG16 from the official one; None: it is not that."""
    if "extra_conv4.weight" not in state:
        return None
    converted = {}
    for name, value in state.items():
        if name.startswith("features."):
            converted[f"backbone.{name}"] = value
        elif match := re.match(r"extra_conv([1-4])\.(.*)", name):
            index = int(match[1]) - 1
            layer = "classifier" if index == 3 else f"convs.{index}"
            converted[f"head.{layer}.{match[2]}"] = value
        elif not re.match(r"layer\d_conv\d\.", name):
            converted[name] = value
    return converted
