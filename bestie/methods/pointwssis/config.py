"""Configuration keys of PointWSSIS: prompted inference of the teacher, and the mask refiner.

"Paper" is PointWSSIS (Kim et al., CVPR 2023). A function that adds the keys, and one that checks
what was set.
"""

from detectron2.config import CfgNode as CN

from bestie.backbones.package_weights import package_problems

__all__ = ["add_pointwssis_config", "check_pointwssis_config"]

PROMPTS = ("none", "points", "sizes", "filter")
# Besides the levels of MODEL.SOLO.IN_FEATURES.
LEVELS = ("selected", "oracle")
NMS_BETWEEN = ("cell", "class", "none")
INPUTS = ("image", "mask", "point")


def add_pointwssis_config(cfg: CN) -> None:
    """Add the keys of PointWSSIS to ``cfg``, in place."""
    cfg.MODEL.POINTWSSIS = CN()
    model = cfg.MODEL.POINTWSSIS
    # Input of META_ARCHITECTURE PromptedSOLO (a SOLO, with the same weights) at inference:
    # "none" (plain SOLO), "points" (clicks: one label for each, from the cell under it), "sizes"
    # (known objects: rough masks from their cells, on which the refiner trains) or "filter" (clicks
    # choose among plain detections; an ablation).
    model.PROMPT = "none"
    # Level that a click reads: "selected" (best mask confidence x class score, the paper), "oracle"
    # (the level of the true object's size; it reads true masks, so `bestie run` refuses it) or a
    # level of MODEL.SOLO.IN_FEATURES. Only PROMPT points reads it, as NMS_BETWEEN.
    model.LEVEL = "selected"
    # Labels of clicks that may suppress each other: "cell" (one class and one cell, so one mask),
    # "class" (all labels of a class, by MODEL.SOLO.TEST.NMS_IOU: the official code) or "none".
    model.NMS_BETWEEN = "cell"
    # Shares of the teacher's steps, in (0, 1): the checkpoints nearest to them give the rough masks
    # on which the refiner trains (before the teacher fits its few images).
    model.ROUGH_AT = [0.34, 0.67]
    _add_refiner(cfg)


def _add_refiner(cfg: CN) -> None:
    # META_ARCHITECTURE MaskRefiner (paper, section 3.2: MaskRefineNet).
    cfg.MODEL.REFINER = CN()
    model = cfg.MODEL.REFINER
    # Number of foreground classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # timm model of the encoder, with maps at strides 2 to 32: resnet101, resnet50, resnet18, ...
    model.BACKBONE = "resnet101"
    # Initial weights of the encoder, as MODEL.TIMM.WEIGHTS has them: "" random, "timm", a package
    # or a file. The first convolution, whose input is more than an image, always starts random.
    model.WEIGHTS = ""
    # Batch norm: "BN", or "SyncBN" (synchronized over GPU processes).
    model.NORM = "SyncBN"
    # Channels and dilations of the ASPP on the last map.
    model.ASPP_CHANNELS = 512
    model.ASPP_DILATIONS = [3, 6, 9]
    # Middle and output channels of each decoder step, coarsest first.
    model.DECODER_CHANNELS = [[512, 256], [256, 128], [128, 64], [64, 64]]
    # Side of the square that a crop is squeezed to, pixels.
    model.SIZE = 256
    # Standard deviation of the Gaussian at the point, pixels of that square.
    model.SIGMA = 6.0
    # Side of the crop as a multiple of the box of the rough mask: at inference, and the range that
    # training draws from.
    model.CROP_SCALE = 2.0
    model.CROP_SCALE_TRAIN = [1.0, 2.0]
    # Inputs of the network (fewer for ablations): "image", "mask" (the rough one), "point".
    model.INPUTS = ["image", "mask", "point"]
    # Rough masks smaller than this (pixels of the network's image) are not refined.
    model.MIN_AREA = 1
    # Crops that are refined at once at inference.
    model.BATCH_SIZE = 16
    # Share of the strong images that do not train the refiner but choose its checkpoint, by the
    # mean IoU of their refined masks at every SOLVER.CHECKPOINT_PERIOD; model_final.pth gets the
    # best weights. 0: all strong images train, and the last weights count.
    model.HOLD_OUT = 0.05


def check_pointwssis_config(cfg: CN) -> list[str]:
    """Settings out of range or without an effect, one message each."""
    node, refiner = cfg.MODEL.POINTWSSIS, cfg.MODEL.REFINER
    problems = []
    for name, value, accepted in (
        ("POINTWSSIS.PROMPT", node.PROMPT, PROMPTS),
        ("POINTWSSIS.NMS_BETWEEN", node.NMS_BETWEEN, NMS_BETWEEN),
    ):
        if value not in accepted:
            problems.append(f"MODEL.{name} must be one of {', '.join(accepted)}, got {value!r}.")
    if cfg.MODEL.META_ARCHITECTURE == "MaskRefiner":
        key = "MODEL.REFINER.WEIGHTS"
        problems += package_problems(cfg, refiner.WEIGHTS, refiner.BACKBONE, key)
    if not node.ROUGH_AT or not all(0 < share < 1 for share in node.ROUGH_AT):
        problems.append(f"MODEL.POINTWSSIS.ROUGH_AT must be shares in (0, 1), got {node.ROUGH_AT}.")
    levels = cfg.MODEL.SOLO.IN_FEATURES
    if node.LEVEL not in (*LEVELS, *levels):
        problems.append(
            f"MODEL.POINTWSSIS.LEVEL must be selected, oracle or one of {', '.join(levels)} "
            f"(MODEL.SOLO.IN_FEATURES), got {node.LEVEL!r}."
        )
    if not refiner.INPUTS or set(refiner.INPUTS) - set(INPUTS):
        problems.append(
            f"MODEL.REFINER.INPUTS must be some of {', '.join(INPUTS)}, got {refiner.INPUTS}."
        )
    scales = refiner.CROP_SCALE_TRAIN
    if len(scales) != 2 or not 1 <= scales[0] <= scales[1] or refiner.CROP_SCALE < 1:
        problems.append(
            "MODEL.REFINER.CROP_SCALE must be 1 or more and CROP_SCALE_TRAIN a range [low, high] "
            f"from 1, got {refiner.CROP_SCALE} and {scales}."
        )
    if not 0 <= refiner.HOLD_OUT < 1:
        problems.append(
            f"MODEL.REFINER.HOLD_OUT must be a share in [0, 1), 0 for none, got {refiner.HOLD_OUT}."
        )
    if refiner.SIZE < 32 or refiner.BATCH_SIZE < 1 or refiner.SIGMA <= 0:
        problems.append(
            "MODEL.REFINER.SIZE must be 32 or more, BATCH_SIZE 1 or more and SIGMA above 0, got "
            f"{refiner.SIZE}, {refiner.BATCH_SIZE} and {refiner.SIGMA}."
        )
    return problems
