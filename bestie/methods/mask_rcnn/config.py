"""Configuration keys of Mask R-CNN that Detectron2 does not have: how much its labels count.

A function that adds the keys, the values that they accept, and a function that checks what was set.
"""

from detectron2.config import CfgNode as CN

from bestie.method import AcceptedValues

__all__ = ["ACCEPTED", "add_mask_rcnn_keys", "check_mask_rcnn_config"]

ACCEPTED = AcceptedValues(ranges={"MODEL.MASK_RCNN.LABEL_SCORE_THRESH": (0, 1)})


def add_mask_rcnn_keys(cfg: CN) -> None:
    """Add the keys of Mask R-CNN to ``cfg``, in place."""
    cfg.MODEL.MASK_RCNN = CN()
    # Labels with a score below this do not train; images that have no other are left out. Labels
    # without a score (true masks) always train.
    cfg.MODEL.MASK_RCNN.LABEL_SCORE_THRESH = 0.0
    # Weight the losses of a region (class, box, mask) by the score of the label that it is matched
    # with. Background and labels without a score have weight 1; the proposals are not weighted.
    cfg.MODEL.MASK_RCNN.WEIGHT_BY_SCORE = False


def check_mask_rcnn_config(cfg: CN) -> list[str]:
    """Settings that contradict each other or have no effect, one message each."""
    own, model = cfg.MODEL.MASK_RCNN, cfg.MODEL
    problems = []
    is_read = cfg.INPUT.DATASET_MAPPER_NAME == "InstanceMapper"
    if own.LABEL_SCORE_THRESH and not is_read:
        problems.append(
            "MODEL.MASK_RCNN.LABEL_SCORE_THRESH has an effect only with INPUT.DATASET_MAPPER_NAME "
            "InstanceMapper."
        )
    if not own.WEIGHT_BY_SCORE:
        return problems
    if not is_read or model.META_ARCHITECTURE != "GeneralizedRCNN":
        problems.append(
            "MODEL.MASK_RCNN.WEIGHT_BY_SCORE has an effect only with MODEL.META_ARCHITECTURE "
            "GeneralizedRCNN and INPUT.DATASET_MAPPER_NAME InstanceMapper."
        )
    expected = {
        "MODEL.ROI_HEADS.NAME": (model.ROI_HEADS.NAME, "StandardROIHeads"),
        "MODEL.ROI_MASK_HEAD.NAME": (model.ROI_MASK_HEAD.NAME, "MaskRCNNConvUpsampleHead"),
        "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": (
            model.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE,
            "smooth_l1",
        ),
    }
    problems += [
        f"MODEL.MASK_RCNN.WEIGHT_BY_SCORE needs {key} {accepted}, got {value}."
        for key, (value, accepted) in expected.items()
        if value != accepted
    ]
    return problems
