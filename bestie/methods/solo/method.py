"""SOLO, as the rooms around it see it."""

from detectron2.config import CfgNode

from bestie.method import Method, register_method
from bestie.methods.solo.config import add_solo_config, check_solo_config

__all__ = ["METHOD"]

# The second one is a SOLO that is given points.
MODELS = ("SOLO", "PromptedSOLO")


def _check_config(cfg: CfgNode) -> list[str]:
    return check_solo_config(cfg) if cfg.MODEL.META_ARCHITECTURE in MODELS else []


METHOD = register_method(Method("solo", add_config=add_solo_config, check_config=_check_config))
