"""PointWSSIS, as the rooms around it see it."""

from detectron2.config import CfgNode

from bestie.method import Method, register_method
from bestie.methods.pointwssis.config import add_pointwssis_config, check_pointwssis_config

__all__ = ["METHOD"]

MODELS = ("PromptedSOLO", "MaskRefiner")


def _check_config(cfg: CfgNode) -> list[str]:
    return check_pointwssis_config(cfg) if cfg.MODEL.META_ARCHITECTURE in MODELS else []


METHOD = register_method(
    Method(
        "pointwssis",
        add_config=add_pointwssis_config,
        check_config=_check_config,
        weights=("MODEL.REFINER.WEIGHTS",),
    )
)
