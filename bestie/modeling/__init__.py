"""Networks, losses and meta-architectures; importing this registers them with Detectron2.

Stands on the ground floor (``labels``, ``files``) and Detectron2. Imported by ``bestie`` and the
trainer.
"""

from bestie.modeling.backbone import TimmBackbone
from bestie.modeling.bestie_heads import (
    BESTIE_HEADS_REGISTRY,
    HRNetHead,
    PanopticDeepLabHead,
    build_bestie_head,
)
from bestie.modeling.meta_arch import BESTIE
from bestie.modeling.pam import PAMClassifier, peak_attention
from bestie.modeling.rcnn import CodedMasksRCNN
from bestie.modeling.vgg import VGG16
from bestie.modeling.weights import StrictCheckpointer, load_backbone_weights

__all__ = [
    "BESTIE",
    "BESTIE_HEADS_REGISTRY",
    "CodedMasksRCNN",
    "PAMClassifier",
    "HRNetHead",
    "PanopticDeepLabHead",
    "StrictCheckpointer",
    "TimmBackbone",
    "VGG16",
    "build_bestie_head",
    "load_backbone_weights",
    "peak_attention",
]
