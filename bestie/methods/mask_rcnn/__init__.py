"""Mask R-CNN of Detectron2, the detector that learns from the labels."""

from bestie.methods.mask_rcnn.mapper import InstanceMapper
from bestie.methods.mask_rcnn.method import METHOD
from bestie.methods.mask_rcnn.rcnn import CodedMasksRCNN
from bestie.methods.mask_rcnn.weighted import WeightedMaskHead, WeightedROIHeads

__all__ = [
    "METHOD",
    "CodedMasksRCNN",
    "InstanceMapper",
    "WeightedMaskHead",
    "WeightedROIHeads",
]
