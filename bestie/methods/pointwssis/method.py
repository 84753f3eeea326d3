"""PointWSSIS, as the rooms around it see it."""

from detectron2.config import CfgNode

from bestie.method import Method, register_method
from bestie.methods.pointwssis.config import add_pointwssis_config, check_pointwssis_config

__all__ = ["METHOD"]

MODELS = ("PromptedSOLO", "MaskRefiner")


def _check_config(cfg: CfgNode) -> list[str]:
    return check_pointwssis_config(cfg) if cfg.MODEL.META_ARCHITECTURE in MODELS else []


def _encoder_weights(cfg: CfgNode) -> tuple[str, str, str] | None:
    if cfg.MODEL.META_ARCHITECTURE != "MaskRefiner":
        return None
    return cfg.MODEL.REFINER.WEIGHTS, "", ""


def _check_evaluation(cfg: CfgNode) -> list[str]:
    prompt = cfg.MODEL.POINTWSSIS.PROMPT
    if cfg.MODEL.META_ARCHITECTURE != "PromptedSOLO" or prompt == "none":
        return []
    return [
        f"evaluation of a detector needs MODEL.POINTWSSIS.PROMPT none, got {prompt!r}: with clicks "
        "given, the AP is that of labels"
    ]


METHOD = register_method(
    Method(
        "pointwssis",
        add_config=add_pointwssis_config,
        check_config=_check_config,
        check_evaluation=_check_evaluation,
        weights={"MODEL.REFINER.WEIGHTS": ""},
        backbone_weights=_encoder_weights,
    )
)
