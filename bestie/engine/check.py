"""Checks of a run before any work is done: the configuration, and the data that it names.

Comes in: a filled-in config. Goes out: nothing, or one ValueError with every problem found. Called
by ``engine.setup`` (configuration) and ``engine.trainer`` (data).
"""

import torch
from detectron2.config import CfgNode

from bestie.methods.pointwssis.config import check_pointwssis_config
from bestie.methods.solo.config import check_solo_config

__all__ = ["check_config"]

# key, lowest and highest accepted value.
RANGES = [
    ("MODEL.BESTIE.SIGMA", 0.1, 1000),
    ("MODEL.BESTIE.MIN_AREA", 1, float("inf")),
    ("MODEL.BESTIE.SEMANTIC_TOP_K", 1e-6, 1),
    ("MODEL.BESTIE.REFINE.CENTER_THRESH", 0, 1),
    ("MODEL.BESTIE.REFINE.MAX_INSTANCES", 1, float("inf")),
    ("MODEL.BESTIE.CLUSTER.CENTER_THRESH", 0, 1),
    ("MODEL.BESTIE.CLUSTER.OFFSET_THRESH", 1e-6, float("inf")),
    ("MODEL.BESTIE.TEST.CENTER_THRESH", 0, 1),
    ("MODEL.BESTIE.TEST.SIZE_DIVISIBILITY", 1, float("inf")),
    ("MODEL.BESTIE.TEST.SCALE", 0.1, 10),
    ("MODEL.PAM.ALPHA", 0, 1),
    ("MODEL.PAM.CUES.SCORE_THRESH", 0, 1),
    ("MODEL.PAM.CUES.IMAGE_SIZE", 32, float("inf")),
    ("MODEL.PAM.CUES.TOP_K", 1, float("inf")),
    ("MODEL.PAM.MAPS.BACKGROUND_SCORE", 1e-6, 1),
    ("MODEL.PAM.MAPS.IGNORE_MARGIN", 0, 1),
    ("MODEL.PAM.MAPS.PAMR_ITERATIONS", 0, float("inf")),
    ("INPUT.POINT_SCORE_THRESH", 0, 1),
    ("SEED", 0, 2**31),
    ("SOLVER.BASE_LR", 0, float("inf")),
    ("SOLVER.IMS_PER_BATCH", 1, float("inf")),
    ("SOLVER.MAX_ITER", 1, float("inf")),
]
CHOICES = [
    ("MODEL.BESTIE.SUPERVISION", ("tags", "clicks")),
    ("MODEL.BESTIE.TEST.FIT", ("pad", "resize")),
    ("SOLVER.OPTIMIZER", ("SGD", "ADAM")),
]
ODD = ["MODEL.BESTIE.REFINE.KERNEL", "MODEL.BESTIE.TEST.KERNEL", "MODEL.PAM.CUES.KERNEL"]


def value_of(cfg: CfgNode, key: str):
    """Value of a dotted key."""
    for part in key.split("."):
        cfg = getattr(cfg, part)
    return cfg


def check_config(cfg: CfgNode) -> None:
    """Raise one ValueError listing all settings out of range or without an effect."""
    problems = []
    for key, low, high in RANGES:
        value = value_of(cfg, key)
        if not low <= value <= high:
            problems.append(f"{key} must lie in [{low:g}, {high:g}], got {value}.")
    for key, choices in CHOICES:
        value = value_of(cfg, key)
        if value not in choices:
            problems.append(f"{key} must be one of {', '.join(choices)}, got {value!r}.")
    for key in ODD:
        value = value_of(cfg, key)
        if value < 1 or value % 2 == 0:
            problems.append(f"{key} must be odd and positive, got {value}.")
    problems += _without_effect(cfg)
    if cfg.MODEL.META_ARCHITECTURE in ("SOLO", "PromptedSOLO"):
        problems += check_solo_config(cfg)
    if cfg.MODEL.META_ARCHITECTURE in ("MaskRefiner", "PromptedSOLO"):
        problems += check_pointwssis_config(cfg)
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ValueError(f"{len(problems)} problem(s) in the configuration:\n{lines}")


def _without_effect(cfg: CfgNode) -> list[str]:
    problems = []
    if cfg.SOLVER.AMP.ENABLED and not cfg.MODEL.DEVICE.startswith("cuda"):
        problems.append(
            f"SOLVER.AMP.ENABLED needs a CUDA device, but MODEL.DEVICE is {cfg.MODEL.DEVICE}."
        )
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        problems.append(
            f"MODEL.DEVICE is {cfg.MODEL.DEVICE}, but PyTorch finds no CUDA device; "
            "add MODEL.DEVICE cpu to run on the processor."
        )
    if cfg.TEST.BEST_METRIC and cfg.TEST.EVAL_PERIOD <= 0:
        problems.append("TEST.BEST_METRIC has no effect without TEST.EVAL_PERIOD above 0.")
    results = {"voc": "voc", "coco": "segm", "tags": "tags"}
    given = [results[name] for name in cfg.TEST.EVALUATORS if name in results]
    if cfg.TEST.BEST_METRIC and cfg.TEST.BEST_METRIC.split("/")[0] not in given:
        problems.append(
            f"TEST.BEST_METRIC {cfg.TEST.BEST_METRIC!r} is not computed: TEST.EVALUATORS gives "
            f"metrics named {', '.join(f'{name}/...' for name in given) or 'nothing'}."
        )
    node = cfg.MODEL.PAM
    if cfg.MODEL.META_ARCHITECTURE == "PAMClassifier" and node.ALPHA > 0:
        if node.START_ITER >= cfg.SOLVER.MAX_ITER:
            problems.append(
                f"MODEL.PAM.START_ITER {node.START_ITER} lies beyond SOLVER.MAX_ITER "
                f"{cfg.SOLVER.MAX_ITER}: peak attention would never start; set MODEL.PAM.ALPHA 0 "
                "for a plain CAM classifier."
            )
    if cfg.MODEL.META_ARCHITECTURE != "BESTIE":
        return problems
    return problems + _without_effect_in_bestie(cfg)


def _without_effect_in_bestie(cfg: CfgNode) -> list[str]:
    problems = []
    node = cfg.MODEL.BESTIE
    if node.REFINE.ENABLED and node.REFINE.START_ITER >= cfg.SOLVER.MAX_ITER:
        problems.append(
            f"MODEL.BESTIE.REFINE.START_ITER {node.REFINE.START_ITER} lies beyond SOLVER.MAX_ITER "
            f"{cfg.SOLVER.MAX_ITER}: refinement would never start; set MODEL.BESTIE.REFINE.ENABLED "
            "False to switch it off."
        )
    if node.CLUSTER.ENABLED and node.CLUSTER.BETA <= 0:
        problems.append(
            f"MODEL.BESTIE.CLUSTER.BETA {node.CLUSTER.BETA} accepts no blob; set "
            "MODEL.BESTIE.CLUSTER.ENABLED False to switch center clustering off."
        )
    if node.TEST.USE_CLICKS and node.SUPERVISION != "clicks":
        problems.append(
            "MODEL.BESTIE.TEST.USE_CLICKS needs MODEL.BESTIE.SUPERVISION clicks: "
            "cues from a classifier are not one point an object."
        )
    if node.REFINE.GUIDE_CENTERS and not (
        node.REFINE.ENABLED and node.IAG and node.SUPERVISION == "clicks"
    ):
        problems.append(
            "MODEL.BESTIE.REFINE.GUIDE_CENTERS has an effect only with "
            "MODEL.BESTIE.REFINE.ENABLED, MODEL.BESTIE.IAG and MODEL.BESTIE.SUPERVISION clicks."
        )
    if cfg.MODEL.TIMM.NAME.startswith("hrnet"):
        sides = {"INPUT.CROP.SIZE": list(cfg.INPUT.CROP.SIZE)}
        sides["MODEL.BESTIE.TEST.SIZE_DIVISIBILITY"] = [node.TEST.SIZE_DIVISIBILITY]
        problems += [
            f"{key} must be a multiple of 32 with {cfg.MODEL.TIMM.NAME}, got {value}."
            for key, values in sides.items()
            for value in values
            if value % 32
        ]
    if not cfg.INPUT.CROP.ENABLED:
        problems.append("BESTIE trains on crops of one size: set INPUT.CROP.ENABLED True.")
    return problems
