"""The values that keys of a configuration accept: choices and ranges, for every tool.

A choice that the code compares with ("horizontal") but that is spelled otherwise ("Horizontal",
"both") would silently select the other branch; so every choice that this project or the parts of
Detectron2 that it uses read is listed here, or by the method that reads it.
:func:`bestie.training.config_check.check_config` reports what is not accepted.
"""

import difflib
import re
from collections.abc import Iterable
from math import inf
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY
from detectron2.modeling.backbone import BACKBONE_REGISTRY
from detectron2.modeling.meta_arch import META_ARCH_REGISTRY, SEM_SEG_HEADS_REGISTRY
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY, RPN_HEAD_REGISTRY
from detectron2.modeling.roi_heads import (
    ROI_BOX_HEAD_REGISTRY,
    ROI_HEADS_REGISTRY,
    ROI_KEYPOINT_HEAD_REGISTRY,
    ROI_MASK_HEAD_REGISTRY,
)
from detectron2.projects.point_rend.point_head import POINT_HEAD_REGISTRY

from bestie.data.mappers import MAPPER_REGISTRY
from bestie.method import METHODS, AcceptedValues

__all__ = ["accepted_tables", "unaccepted_values", "value_of"]

NORMS = ("", "BN", "SyncBN", "FrozenBN", "GN", "LN", "nnSyncBN", "naiveSyncBN", "naiveSyncBN_N")
POOLERS = ("ROIAlign", "ROIAlignV2", "ROIAlignRotated", "ROIPool")
FLOAT32_PRECISIONS = ("", "highest", "high", "medium")
BOX_LOSSES = ("smooth_l1", "giou", "diou", "ciou")
# Key -> accepted values.
CHOICES: dict[str, tuple] = {
    "DATALOADER.SAMPLER_TRAIN": ("TrainingSampler",),
    "INPUT.CROP.TYPE": ("relative", "relative_range", "absolute", "absolute_range"),
    "INPUT.FORMAT": ("RGB", "BGR"),
    "INPUT.MASK_FORMAT": ("polygon", "bitmask"),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": ("choice", "range"),
    "INPUT.RANDOM_FLIP": ("horizontal", "vertical", "none"),
    "MODEL.FPN.FUSE_TYPE": ("sum", "avg"),
    "MODEL.FPN.NORM": NORMS,
    "MODEL.RESNETS.DEPTH": (18, 34, 50, 101, 152),
    "MODEL.RESNETS.NORM": NORMS,
    "MODEL.RESNETS.OUT_FEATURES": ("stem", "res2", "res3", "res4", "res5", "linear"),
    "MODEL.RETINANET.BBOX_REG_LOSS_TYPE": BOX_LOSSES,
    "MODEL.RETINANET.NORM": NORMS,
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": BOX_LOSSES,
    "MODEL.ROI_BOX_HEAD.NORM": NORMS,
    "MODEL.ROI_BOX_HEAD.POOLER_TYPE": POOLERS,
    "MODEL.ROI_KEYPOINT_HEAD.POOLER_TYPE": POOLERS,
    "MODEL.ROI_MASK_HEAD.NORM": NORMS,
    "MODEL.ROI_MASK_HEAD.POOLER_TYPE": (*POOLERS, ""),  # "": PointRend pools points
    "MODEL.RPN.BBOX_REG_LOSS_TYPE": BOX_LOSSES,
    "MODEL.SEM_SEG_HEAD.NORM": NORMS,
    "MODEL.TIMM.NORM": ("BN", "SyncBN"),
    "MODEL.TIMM.OUTPUT_STRIDE": (8, 16, 32),
    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": ("value", "norm"),
    "SOLVER.LR_SCHEDULER_NAME": (
        "WarmupPolyLR",
        "WarmupMultiStepLR",
        "WarmupCosineLR",
        "WarmupStepWithFixedGammaLR",
    ),
    "SOLVER.OPTIMIZER": ("SGD", "ADAM"),
    "SOLVER.WARMUP_METHOD": ("linear", "constant"),
    "TEST.EVALUATORS": ("voc", "coco", "tags"),  # each entry of the list
}
# Key -> registry of the names that it accepts; code of a user's own may have added to it.
REGISTRIES: dict[str, Iterable] = {
    "INPUT.DATASET_MAPPER_NAME": MAPPER_REGISTRY,
    "MODEL.ANCHOR_GENERATOR.NAME": ANCHOR_GENERATOR_REGISTRY,
    "MODEL.BACKBONE.NAME": BACKBONE_REGISTRY,
    "MODEL.META_ARCHITECTURE": META_ARCH_REGISTRY,
    "MODEL.POINT_HEAD.NAME": POINT_HEAD_REGISTRY,
    "MODEL.PROPOSAL_GENERATOR.NAME": PROPOSAL_GENERATOR_REGISTRY,
    "MODEL.ROI_BOX_HEAD.NAME": ROI_BOX_HEAD_REGISTRY,
    "MODEL.ROI_HEADS.NAME": ROI_HEADS_REGISTRY,
    "MODEL.ROI_KEYPOINT_HEAD.NAME": ROI_KEYPOINT_HEAD_REGISTRY,
    "MODEL.ROI_MASK_HEAD.NAME": ROI_MASK_HEAD_REGISTRY,
    "MODEL.RPN.HEAD_NAME": RPN_HEAD_REGISTRY,
    "MODEL.SEM_SEG_HEAD.NAME": SEM_SEG_HEADS_REGISTRY,
}
# Also accepted, in addition to the names of the registry.
ALSO = {
    "MODEL.PROPOSAL_GENERATOR.NAME": ("PrecomputedProposals",),
    "MODEL.ROI_BOX_HEAD.NAME": ("",),  # ROI heads without one (C4)
}
# Key -> lowest and highest accepted value; infinity itself is never accepted.
RANGES: dict[str, tuple[float, float]] = {
    "DATALOADER.NUM_WORKERS": (0, inf),
    "INPUT.BASE_SIZE": (0, inf),
    "INPUT.MAX_SIZE_TEST": (1, inf),
    "INPUT.MAX_SIZE_TRAIN": (1, inf),
    "INPUT.MIN_SIZE_TEST": (0, inf),
    "INPUT.POINT_SCORE_THRESH": (0, 1),
    "INPUT.TEST_SIZE": (0, inf),
    "MODEL.RETINANET.NMS_THRESH_TEST": (0, 1),
    "MODEL.RETINANET.SCORE_THRESH_TEST": (0, 1),
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": (1, inf),
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": (0, 1),
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": (0, 1),
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": (0, 1),
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": (1, inf),
    "MODEL.RPN.NMS_THRESH": (0, 1),
    "MODEL.RPN.POSITIVE_FRACTION": (0, 1),
    "MODEL.RPN.POST_NMS_TOPK_TEST": (1, inf),
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": (1, inf),
    "MODEL.RPN.PRE_NMS_TOPK_TEST": (1, inf),
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": (1, inf),
    "MODEL.TIMM.BN_MOMENTUM": (0, 1),
    "SEED": (0, 2**31),
    "SOLVER.BASE_LR": (0, inf),
    "SOLVER.CHECKPOINT_PERIOD": (1, inf),
    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": (0, inf),
    "SOLVER.GAMMA": (0, inf),
    "SOLVER.IMS_PER_BATCH": (1, inf),
    "SOLVER.MAX_ITER": (1, inf),
    "SOLVER.MOMENTUM": (0, 1),
    "SOLVER.POLY_LR_CONSTANT_ENDING": (0, 1),
    "SOLVER.POLY_LR_POWER": (0, inf),
    "SOLVER.WARMUP_FACTOR": (0, 1),
    "SOLVER.WARMUP_ITERS": (0, inf),
    "SOLVER.WEIGHT_DECAY": (0, inf),
    "TEST.DETECTIONS_PER_IMAGE": (1, inf),
    "TEST.EVAL_PERIOD": (0, inf),
    "VIS_PICTURE_PERIOD": (0, inf),
}
# Key -> lowest and highest accepted value of each entry, accepted lengths (empty: 1 or more).
LISTS: dict[str, tuple[float, float, tuple[int, ...]]] = {
    "INPUT.CROP.SIZE": (1e-6, inf, (2,)),
    "INPUT.MIN_SIZE_TRAIN": (1, inf, ()),
    "INPUT.SCALES": (1e-6, inf, ()),
    "MODEL.PIXEL_MEAN": (-inf, inf, (3,)),
    "MODEL.PIXEL_STD": (1e-6, inf, (3,)),
}
# Of the keys of Detectron2 and of bestie/config.py; methods have tables of their own.
COMMON = AcceptedValues(CHOICES, REGISTRIES, RANGES, LISTS)


def value_of(cfg: CfgNode, key: str) -> Any:
    """Value of a dotted key."""
    for part in key.split("."):
        cfg = getattr(cfg, part)
    return cfg


def accepted_tables() -> list[AcceptedValues]:
    """The tables of this package and of every method."""
    return [COMMON, *(method.accepted for method in METHODS.values())]


def unaccepted_values(cfg: CfgNode) -> list[str]:
    """One line per key whose value is not accepted: key, accepted values, value."""
    problems = [line for table in accepted_tables() for line in _unaccepted_by(table, cfg)]
    # Release 0.6 of Detectron2 does not have this key.
    precision = cfg.get("FLOAT32_PRECISION", "")
    problems += _wrong_choices("FLOAT32_PRECISION", precision, FLOAT32_PRECISIONS)
    return problems + _wrong_device(cfg.MODEL.DEVICE)


def _unaccepted_by(table: AcceptedValues, cfg: CfgNode) -> list[str]:
    problems = []
    for key, (low, high) in table.ranges.items():
        value = value_of(cfg, key)
        if not _lies_in(value, low, high):
            problems.append(f"{key} must lie in [{low:g}, {high:g}], got {value}.")
    for key, (low, high, lengths) in table.lists.items():
        problems += _wrong_list(key, value_of(cfg, key), low, high, lengths)
    for key, choices in table.choices.items():
        problems += _wrong_choices(key, value_of(cfg, key), choices)
    for key, registry in table.registries.items():
        names = sorted(name for name, _ in registry)
        problems += _wrong_choices(key, value_of(cfg, key), (*names, *ALSO.get(key, ())))
    for key in table.odd:
        value = value_of(cfg, key)
        if value < 1 or value % 2 == 0:
            problems.append(f"{key} must be odd and positive, got {value}.")
    return problems


def _lies_in(value: float, low: float, high: float) -> bool:
    return low <= value <= high and abs(value) != inf  # NaN lies nowhere


def _wrong_list(
    key: str, values: list | tuple, low: float, high: float, lengths: tuple[int, ...]
) -> list[str]:
    if lengths and len(values) not in lengths or not len(values):
        number = " or ".join(map(str, lengths)) or "1 or more"
        return [f"{key} must hold {number} number(s), got {list(values)}."]
    if not all(_lies_in(value, low, high) for value in values):
        return [f"{key} must hold numbers in [{low:g}, {high:g}], got {list(values)}."]
    return []


def _wrong_choices(key: str, value: Any, choices: tuple) -> list[str]:
    accepted = ", ".join(repr(c) if c == "" else str(c) for c in choices)
    wrong = [v for v in (value if isinstance(value, list | tuple) else [value]) if v not in choices]
    return [f"{key} must be one of {accepted}, got {v!r}{_similar(v, choices)}." for v in wrong]


def _similar(value: Any, choices: tuple) -> str:
    """ "(did you mean ...?)" for a choice that is spelled otherwise; "" if none is alike."""
    known = {str(choice).lower(): str(choice) for choice in choices if choice != ""}
    found = difflib.get_close_matches(str(value).strip().lower(), known, n=1)
    return f" (did you mean '{known[found[0]]}'?)" if found else ""


def _wrong_device(name: str) -> list[str]:
    if not re.fullmatch("cpu|cuda(:[0-9]+)?", name):
        hint = _similar(name, ("cpu", "cuda"))
        return [f"MODEL.DEVICE must be cpu, cuda or cuda:N, got {name!r}{hint}."]
    device = torch.device(name)
    if device.type != "cuda":
        return []
    if not torch.cuda.is_available():
        return [
            f"MODEL.DEVICE is {name}, but PyTorch finds no CUDA device; add MODEL.DEVICE cpu to "
            "run on the processor."
        ]
    if (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        return [f"MODEL.DEVICE is {name}, but PyTorch finds {count} CUDA device(s), from cuda:0."]
    return []
