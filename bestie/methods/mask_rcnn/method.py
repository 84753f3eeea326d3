"""Mask R-CNN, as the rooms around it see it: all its keys are Detectron2's."""

from bestie.method import Method, register_method

__all__ = ["METHOD"]

METHOD = register_method(
    # The same network and results, but its masks are run-length codes.
    Method("mask_rcnn", replaced_models={"GeneralizedRCNN": "CodedMasksRCNN"})
)
