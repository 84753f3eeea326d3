"""Backbones and their weights; importing this registers them with Detectron2."""

from bestie.backbones.initial_weights import load_backbone_weights
from bestie.backbones.timm_backbone import TimmBackbone
from bestie.backbones.vgg import VGG16
from bestie.backbones.weights import StrictCheckpointer

__all__ = ["VGG16", "StrictCheckpointer", "TimmBackbone", "load_backbone_weights"]
