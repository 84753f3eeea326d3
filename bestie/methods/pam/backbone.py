"""The classifier's VGG16, with the weights that its config names."""

from pathlib import Path

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from bestie.backbones.initial_weights import load_backbone_weights
from bestie.backbones.vgg import VGG16
from bestie.methods.pam.classifier import affinity_features

__all__ = ["WHERE_TO_GET_VGG", "build_vgg16_backbone"]

WHERE_TO_GET_VGG = (
    "Torchvision's ImageNet weights belong there: "
    "https://download.pytorch.org/models/vgg16-397923af.pth, or python -c "
    "'import torchvision; torchvision.models.vgg16(weights=\"IMAGENET1K_V1\")', which downloads "
    'them and prints where to. Set the key to "" to start from random weights.'
)


@BACKBONE_REGISTRY.register()
def build_vgg16_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> VGG16:
    """VGG16 with the weights of MODEL.PAM.VGG_WEIGHTS, or random ones if that is "".

    Raises:
        ValueError: the file is missing (says where to get it) or does not fit.
    """
    backbone = VGG16(input_shape.channels, ("conv5", *affinity_features(cfg)))
    path = cfg.MODEL.PAM.VGG_WEIGHTS
    if path and not Path(path).is_file():
        raise ValueError(f"MODEL.PAM.VGG_WEIGHTS: {path} is not a file. {WHERE_TO_GET_VGG}")
    if path:
        load_backbone_weights(backbone, path, key="MODEL.PAM.VGG_WEIGHTS")
    return backbone
