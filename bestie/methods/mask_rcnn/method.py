"""Mask R-CNN, as the rooms around it see it: Detectron2's keys, and how much its labels count."""

from bestie.method import Method, register_method
from bestie.methods.mask_rcnn.config import ACCEPTED, add_mask_rcnn_keys, check_mask_rcnn_config

__all__ = ["METHOD"]

METHOD = register_method(
    Method(
        "mask_rcnn",
        add_config=add_mask_rcnn_keys,
        accepted=ACCEPTED,
        check_config=check_mask_rcnn_config,
        # The same network and results, but its masks are run-length codes.
        replaced_models={"GeneralizedRCNN": "CodedMasksRCNN"},
    )
)
