"""Checks of a configuration before any work is done.

One ValueError lists every problem: values that are not accepted, settings without an effect, and
what the methods find in their own keys.
"""

from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY

from bestie.backbones.package_weights import package_problems
from bestie.formats.supervision import LabelKind
from bestie.method import METHODS
from bestie.training.accepted_values import unaccepted_values, value_of
from bestie.training.precision import why_no_bfloat16

__all__ = ["check_config"]

# Models that look at the proposals of a region proposal network.
TWO_STAGES = ("GeneralizedRCNN", "PanopticFPN")
# Files of weights about which KEY_KIND and KEY_LABELS say which labels are behind them; methods
# have more of them (Method.described_weights).
WEIGHTS = ("MODEL.WEIGHTS", "MODEL.TIMM.WEIGHTS")
# Shortest longer side that a network sees at inference, pixels.
MIN_TEST_SIZE = 32


def check_config(cfg: CfgNode) -> None:
    """Raise one ValueError listing all settings out of range or without an effect."""
    problems = unaccepted_values(cfg)
    problems += _kinds_of_labels(cfg)
    if "timm" in cfg.MODEL.BACKBONE.NAME:
        timm = cfg.MODEL.TIMM
        problems += package_problems(cfg, timm.WEIGHTS, timm.NAME, "MODEL.TIMM.WEIGHTS")
    problems += _without_effect(cfg)
    for method in METHODS.values():
        problems += method.check_config(cfg)
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ValueError(f"{len(problems)} problem(s) in the configuration:\n{lines}")


def _kinds_of_labels(cfg: CfgNode) -> list[str]:
    problems = []
    for key in (*WEIGHTS, *(key for m in METHODS.values() for key in m.described_weights)):
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
    return problems + _unreachable_detections(cfg)


def _problems_of_test_size(cfg: CfgNode) -> list[str]:
    problems = []
    size = cfg.INPUT.TEST_SIZE
    if size != 0 and size < MIN_TEST_SIZE:
        problems.append(
            f"INPUT.TEST_SIZE must be 0 (original size) or at least {MIN_TEST_SIZE} pixels, got "
            f"{size}."
        )
    name = cfg.MODEL.META_ARCHITECTURE
    model = META_ARCH_REGISTRY.get(name) if name in META_ARCH_REGISTRY else None
    takes_test_size = getattr(model, "takes_test_size", False)
    if size and cfg.INPUT.DATASET_MAPPER_NAME == "InstanceMapper" and not takes_test_size:
        problems.append(
            f"INPUT.TEST_SIZE {size} has no effect for {name}: the size of its images is "
            "INPUT.MIN_SIZE_TEST (shorter side), INPUT.MAX_SIZE_TEST (bound of the "
            "longer side)."
        )
    kept = list(cfg.INPUT.TEST_SIZE_KEPT)
    if len(kept) != 2 or not 0 <= kept[0] <= kept[1]:
        problems.append(
            "INPUT.TEST_SIZE_KEPT must be two lengths in pixels, the shorter one first, or "
            f"[0, 0] for none; got {kept}."
        )
    elif kept[1] and not size:
        problems.append(f"INPUT.TEST_SIZE_KEPT {kept} has an effect only with INPUT.TEST_SIZE.")
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
