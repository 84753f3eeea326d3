"""Checks of a run before it starts: the configuration, and the data that it names.

Raises one ValueError that lists every problem found in a filled-in config.
"""

from detectron2.config import CfgNode

from bestie.formats.supervision import LabelKind
from bestie.methods.pointwssis.config import check_pointwssis_config
from bestie.methods.solo.config import check_solo_config
from bestie.training.accepted_values import unaccepted_values, value_of
from bestie.training.precision import why_no_bfloat16

__all__ = ["check_config"]

# Models that look at the proposals of a region proposal network.
TWO_STAGES = ("GeneralizedRCNN", "PanopticFPN")
# What is said of the labels behind weights: KEY_KIND and KEY_LABELS.
WEIGHTS = ("MODEL.WEIGHTS", "MODEL.TIMM.WEIGHTS", "MODEL.PAM.VGG_WEIGHTS")
# Shortest longer side that a network sees at inference, pixels.
MIN_TEST_SIZE = 32


def check_config(cfg: CfgNode) -> None:
    """Raise one ValueError listing all settings out of range or without an effect."""
    problems = unaccepted_values(cfg)
    problems += _kinds_of_labels(cfg)
    if cfg.INPUT.TEST_SIZE != 0 and cfg.INPUT.TEST_SIZE < MIN_TEST_SIZE:
        problems.append(
            f"INPUT.TEST_SIZE must be 0 (original size) or at least {MIN_TEST_SIZE} pixels, got "
            f"{cfg.INPUT.TEST_SIZE}."
        )
    problems += _without_effect(cfg)
    if cfg.MODEL.META_ARCHITECTURE in ("SOLO", "PromptedSOLO"):
        problems += check_solo_config(cfg)
    if cfg.MODEL.META_ARCHITECTURE in ("MaskRefiner", "PromptedSOLO"):
        problems += check_pointwssis_config(cfg)
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ValueError(f"{len(problems)} problem(s) in the configuration:\n{lines}")


def _kinds_of_labels(cfg: CfgNode) -> list[str]:
    problems = []
    for key in WEIGHTS:
        kind, prose = value_of(cfg, f"{key}_KIND"), value_of(cfg, f"{key}_LABELS")
        accepted = [str(accepted) for accepted in LabelKind]
        if kind and kind not in accepted:
            problems.append(f"{key}_KIND must be one of {', '.join(accepted)}, got {kind!r}.")
        elif prose and not kind:
            problems.append(
                f"{key}_LABELS {prose!r} is only shown: say with {key}_KIND which kind of labels "
                f"that is ({', '.join(accepted)})."
            )
    return problems


def _without_effect(cfg: CfgNode) -> list[str]:
    problems = []
    if cfg.SOLVER.AMP.ENABLED and cfg.MODEL.DEVICE == "cpu" and (reason := why_no_bfloat16(cfg)):
        problems.append(f"SOLVER.AMP.ENABLED True: {reason}; set it to False.")
    problems += _problems_of_test_size(cfg)
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
    problems += _unreachable_detections(cfg)
    if cfg.MODEL.META_ARCHITECTURE != "BESTIE":
        return problems
    return problems + _without_effect_in_bestie(cfg)


def _problems_of_test_size(cfg: CfgNode) -> list[str]:
    problems = []
    size, kept = cfg.INPUT.TEST_SIZE, list(cfg.INPUT.TEST_SIZE_KEPT)
    if len(kept) != 2 or not 0 <= kept[0] <= kept[1]:
        problems.append(
            "INPUT.TEST_SIZE_KEPT must be two lengths in pixels, the shorter one first, or "
            f"[0, 0] for none; got {kept}."
        )
    elif kept[1] and not (size and cfg.MODEL.META_ARCHITECTURE == "BESTIE"):
        problems.append(
            f"INPUT.TEST_SIZE_KEPT {kept} has an effect only for BESTIE with INPUT.TEST_SIZE."
        )
    if size and cfg.INPUT.DATASET_MAPPER_NAME == "InstanceMapper":
        problems.append(
            f"INPUT.TEST_SIZE {size} has no effect for {cfg.MODEL.META_ARCHITECTURE}: the size of "
            "its images is INPUT.MIN_SIZE_TEST (shorter side), INPUT.MAX_SIZE_TEST (bound of the "
            "longer side)."
        )
    return problems


def _unreachable_detections(cfg: CfgNode) -> list[str]:
    """TEST.DETECTIONS_PER_IMAGE above the number of candidates that a detector looks at."""
    limit, model = cfg.TEST.DETECTIONS_PER_IMAGE, cfg.MODEL
    if model.META_ARCHITECTURE == "RetinaNet":
        candidates = {"MODEL.RETINANET.TOPK_CANDIDATES_TEST": model.RETINANET.TOPK_CANDIDATES_TEST}
        levels = len(model.RETINANET.IN_FEATURES)
    elif model.META_ARCHITECTURE in TWO_STAGES and model.PROPOSAL_GENERATOR.NAME == "RPN":
        candidates = {
            "MODEL.RPN.PRE_NMS_TOPK_TEST": model.RPN.PRE_NMS_TOPK_TEST,
            "MODEL.RPN.POST_NMS_TOPK_TEST": model.RPN.POST_NMS_TOPK_TEST,
        }
        levels = len(model.RPN.IN_FEATURES)
    else:
        return []
    problems = []
    for key, number in candidates.items():
        # The others count per level of the feature pyramid.
        factor = 1 if key == "MODEL.RPN.POST_NMS_TOPK_TEST" else levels
        if number * factor < limit:
            per_level = f" on each of {levels} levels" * (factor > 1)
            problems.append(
                f"TEST.DETECTIONS_PER_IMAGE {limit} cannot be reached: {key} lets only {number} "
                f"candidates per image pass{per_level}; raise it, or lower the limit."
            )
    return problems


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
