"""Backbones and their weights; importing this registers them with Detectron2."""

from bestie.backbones.timm_backbone import TimmBackbone
from bestie.backbones.vgg import VGG16
from bestie.backbones.weights import StrictCheckpointer, load_backbone_weights

__all__ = ["VGG16", "StrictCheckpointer", "TimmBackbone", "load_backbone_weights"]
