"""Configuration keys of SOLO; the defaults are SOLOv2's, with which PointWSSIS trains its student.

"Paper" is SOLOv2 (Wang et al., NeurIPS 2020). A function that adds the keys, and one that checks
what was set.
"""

from math import inf
from typing import Any

from detectron2.config import CfgNode as CN

__all__ = ["add_solo_config", "check_solo_config"]

# Key under MODEL.SOLO -> accepted values; key -> lowest and highest accepted value.
CHOICES = {
    "INIT": ("normal", "kaiming"),
    "TEST.NMS": ("matrix", "mask", "none"),
    "TEST.NMS_KERNEL": ("gaussian", "linear"),
}
RANGES = {
    "SIGMA": (0, inf),
    "CHANNELS": (1, inf),
    "NUM_CONVS": (1, inf),
    "KERNEL_CHANNELS": (1, inf),
    "MASK_CHANNELS": (1, inf),
    "NORM_GROUPS": (1, inf),
    "PRIOR": (1e-6, 1 - 1e-6),
    "DICE_WEIGHT": (0, inf),
    "FOCAL_WEIGHT": (0, inf),
    "FOCAL_ALPHA": (0, 1),
    "FOCAL_GAMMA": (0, inf),
    "TEST.SCORE_THRESH": (0, 1),
    "TEST.MASK_THRESH": (0, 1),
    "TEST.TOP_K": (1, inf),
    "TEST.NMS_SIGMA": (1e-6, inf),
    "TEST.UPDATE_THRESH": (0, 1),
    "TEST.NMS_IOU": (0, 1),
}


def add_solo_config(cfg: CN) -> None:
    """Add the keys of SOLO to ``cfg``, in place."""
    cfg.MODEL.SOLO = CN()
    model = cfg.MODEL.SOLO
    # Number of foreground classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # Levels of the backbone's pyramid, finest first. The finest is halved for the heads, the
    # coarsest is resized to the size of the level before it.
    model.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    # Cells along a side of the image, S, for each level.
    model.GRIDS = [40, 36, 24, 16, 12]
    # Objects that each level learns: bounds of sqrt(box area), pixels of the network's input; the
    # lower one included. An object outside all of them is background.
    model.SCALE_RANGES = [[1, 96], [48, 192], [96, 384], [192, 768], [384, 2048]]
    # Masks of a level with at most this many pixels (at a quarter of the input) are dropped.
    model.STRIDES = [8, 8, 16, 32, 32]
    # Side of the center region whose cells an object trains, as a share of its box.
    model.SIGMA = 0.2
    # Channels and convolutions of the class tower and of the kernel tower.
    model.CHANNELS = 512
    model.NUM_CONVS = 4
    # Channels of the kernels and of the mask features, D.
    model.KERNEL_CHANNELS = 256
    # Levels that the mask branch adds, finest first, and its channels.
    model.MASK_FEATURES = ["p2", "p3", "p4", "p5"]
    model.MASK_CHANNELS = 128
    # Groups of the group norm in heads and mask branch; they divide all those channels.
    model.NORM_GROUPS = 32
    # Initial weights of towers and mask branch: "normal", standard deviation 0.01 (the paper), or
    # "kaiming", for backbones that start from random weights.
    model.INIT = "normal"
    # Class probability of every cell at the start of the training.
    model.PRIOR = 0.01
    # Weights of the two losses (paper, section 3.2: lambda 3 for masks).
    model.DICE_WEIGHT = 3.0
    model.FOCAL_WEIGHT = 1.0
    # Focal loss: weight of positive classes, and how little well-classified cells count.
    model.FOCAL_ALPHA = 0.25
    model.FOCAL_GAMMA = 2.0
    _add_inference(cfg)


def _add_inference(cfg: CN) -> None:
    model = cfg.MODEL.SOLO
    # Inference. TEST.DETECTIONS_PER_IMAGE bounds the number of instances.
    model.TEST = CN()
    # Class probability above which a cell is a candidate.
    model.TEST.SCORE_THRESH = 0.1
    # Probability above which a pixel belongs to a mask.
    model.TEST.MASK_THRESH = 0.5
    # Candidates that enter the suppression.
    model.TEST.TOP_K = 500
    # Suppression of duplicates: "matrix" (paper, section 3.3; lowers scores), "mask" (greedy, by
    # mask IoU; PointWSSIS's teacher) or "none".
    model.TEST.NMS = "matrix"
    # Matrix NMS: "gaussian" or "linear", the Gaussian's sigma, and the score needed after it.
    model.TEST.NMS_KERNEL = "gaussian"
    model.TEST.NMS_SIGMA = 2.0
    model.TEST.UPDATE_THRESH = 0.05
    # Mask NMS: a mask is removed if its IoU with a better one is above this.
    model.TEST.NMS_IOU = 0.5


def check_solo_config(cfg: CN) -> list[str]:
    """Settings that contradict each other or are out of range, one message each."""
    node = cfg.MODEL.SOLO
    problems = []
    lengths = {
        f"MODEL.SOLO.{name}": len(node[name])
        for name in ("IN_FEATURES", "GRIDS", "SCALE_RANGES", "STRIDES")
    }
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{key} {number}" for key, number in lengths.items())
        problems.append(f"one entry per level is expected, got these numbers of entries: {listed}.")
    if len(node.IN_FEATURES) < 2:
        problems.append("MODEL.SOLO.IN_FEATURES must name 2 levels or more.")
    for bounds in node.SCALE_RANGES:
        if len(bounds) != 2 or not 0 <= bounds[0] < bounds[1]:
            problems.append(
                f"MODEL.SOLO.SCALE_RANGES must be pairs [lower, upper] in pixels, got {bounds}."
            )
    for name in ("CHANNELS", "KERNEL_CHANNELS", "MASK_CHANNELS"):
        if node[name] % max(1, node.NORM_GROUPS):
            problems.append(
                f"MODEL.SOLO.{name} must be a multiple of MODEL.SOLO.NORM_GROUPS "
                f"{node.NORM_GROUPS}, got {node[name]}."
            )
    for name, (low, high) in RANGES.items():
        if not low <= _value_of(node, name) <= high:
            value = _value_of(node, name)
            problems.append(f"MODEL.SOLO.{name} must lie in [{low:g}, {high:g}], got {value}.")
    for name, accepted in CHOICES.items():
        if _value_of(node, name) not in accepted:
            value = _value_of(node, name)
            problems.append(
                f"MODEL.SOLO.{name} must be one of {', '.join(accepted)}, got {value!r}."
            )
    if not cfg.MODEL.MASK_ON:
        problems.append("SOLO trains on masks: MODEL.MASK_ON must be True.")
    if cfg.INPUT.MASK_FORMAT != "bitmask":
        problems.append(
            f"SOLO trains on bitmasks: INPUT.MASK_FORMAT must be bitmask, "
            f"got {cfg.INPUT.MASK_FORMAT!r}."
        )
    return problems


def _value_of(node: CN, name: str) -> Any:
    for part in name.split("."):
        node = node[part]
    return node
