"""The optimizer of a training, and parameter groups with learning rates for parts of a model.

A model with a method ``optimizer_parameters(cfg)`` gives its own groups;
:func:`parameter_groups` makes such.
"""

from collections.abc import Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from torch import nn

__all__ = ["build_optimizer", "parameter_groups"]


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Adam or SGD, as SOLVER has it, over the parameters of a model."""
    own_parameters: Any = getattr(model, "optimizer_parameters", None)
    if own_parameters is not None:
        parameters = own_parameters(cfg)
    else:
        parameters = parameter_groups(cfg, {model: 1.0})
    optimizer_class: type[torch.optim.Optimizer]
    settings: dict[str, Any] = {
        "lr": cfg.SOLVER.BASE_LR,
        "weight_decay": cfg.SOLVER.WEIGHT_DECAY,
    }
    if cfg.SOLVER.OPTIMIZER == "ADAM":
        optimizer_class = torch.optim.Adam
        if cfg.MODEL.DEVICE == "cpu":  # one pass over the parameters instead of a dozen
            settings["fused"] = True
    else:
        optimizer_class = torch.optim.SGD
        settings.update(momentum=cfg.SOLVER.MOMENTUM, nesterov=cfg.SOLVER.NESTEROV)
    return maybe_add_gradient_clipping(cfg, optimizer_class)(parameters, **settings)


def parameter_groups(cfg: CfgNode, lr_factors: Mapping[nn.Module, float]) -> list[dict[str, Any]]:
    """Detectron2's parameter groups, with learning rates of their own for parts of a model.

    Args:
        cfg: SOLVER.BASE_LR, WEIGHT_DECAY, WEIGHT_DECAY_NORM, BIAS_LR_FACTOR, WEIGHT_DECAY_BIAS.
        lr_factors: module -> factor of SOLVER.BASE_LR. The model first, then its parts, then parts
            of these: of several modules that hold a parameter, the last one counts.
    """
    factor_of = {p: factor for module, factor in lr_factors.items() for p in module.parameters()}
    groups = get_default_optimizer_params(
        next(iter(lr_factors)),
        base_lr=cfg.SOLVER.BASE_LR,
        weight_decay=cfg.SOLVER.WEIGHT_DECAY,
        weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
        bias_lr_factor=cfg.SOLVER.BIAS_LR_FACTOR,
        weight_decay_bias=cfg.SOLVER.WEIGHT_DECAY_BIAS,
    )
    parts: dict[tuple[float, int], dict[str, Any]] = {}
    for number, group in enumerate(groups):
        for parameter in group["params"]:
            factor = factor_of[parameter]
            scaled = {**group, "params": [], "lr": group["lr"] * factor}
            parts.setdefault((factor, number), scaled)["params"].append(parameter)
    return list(parts.values())
