"""What a backbone starts from, and the labels that its weights were trained with."""

import os
from dataclasses import dataclass

from detectron2.config import CfgNode

from bestie.backbones.package_weights import is_package
from bestie.formats.ledger import IMAGENET_LABELS, UNKNOWN_LABELS
from bestie.formats.supervision import LabelKind
from bestie.method import METHODS

__all__ = ["Weights", "backbone_weights", "model_weights"]


# Folders of Detectron2's model zoo ("detectron2://FOLDER/...") -> kind and labels behind them.
MODEL_ZOO = {
    "ImageNetPretrained": (LabelKind.TAGS, IMAGENET_LABELS),
    "COCO-Detection": (LabelKind.BOXES, "COCO boxes"),
    "PascalVOC-Detection": (LabelKind.BOXES, "Pascal VOC boxes"),
    "COCO-InstanceSegmentation": (LabelKind.MASKS, "COCO instance masks"),
    "COCO-Keypoints": (LabelKind.BOXES, "COCO boxes and keypoints"),
    "COCO-PanopticSegmentation": (LabelKind.MASKS, "COCO panoptic masks"),
    "Cityscapes": (LabelKind.MASKS, "Cityscapes instance masks"),
    "LVISv0.5-InstanceSegmentation": (LabelKind.MASKS, "LVIS instance masks"),
}


# Torchvision's name of its VGG16 weights; the digits are the file's SHA-256.
TORCHVISION_VGG16 = "vgg16-397923af.pth"


@dataclass(frozen=True)
class Weights:
    """A file of weights, and what it was trained with.

    Attributes:
        file: path or address, "" for random weights.
        kind: of the labels; as a config has it, it may be "".
        labels: those labels in words.
    """

    file: str
    kind: LabelKind | str
    labels: str


def backbone_weights(cfg: CfgNode) -> Weights | None:
    """Initial weights of the backbone; None for backbones without a key for such a file.

    Labels that no key names are known of torchvision's VGG16, by the file's name, of timm's own
    weights and of packages.
    """
    found = [method.backbone_weights(cfg) for method in METHODS.values()]
    timm = cfg.MODEL.TIMM
    if "timm" in cfg.MODEL.BACKBONE.NAME:
        found.append((timm.WEIGHTS, timm.WEIGHTS_KIND, timm.WEIGHTS_LABELS))
    given = next((Weights(*parts) for parts in found if parts is not None), None)
    if given is None:
        return None
    is_imagenet = (
        os.path.basename(given.file) == TORCHVISION_VGG16
        or given.file == "timm"
        or is_package(given.file)
    )
    return _described(given, (LabelKind.TAGS, IMAGENET_LABELS) if is_imagenet else None)


def model_weights(cfg: CfgNode) -> Weights:
    """What MODEL.WEIGHTS names; Detectron2's own weights are known by their address."""
    scheme, _, place = cfg.MODEL.WEIGHTS.partition("://")
    known = MODEL_ZOO.get(place.partition("/")[0]) if scheme == "detectron2" else None
    model = cfg.MODEL
    return _described(Weights(model.WEIGHTS, model.WEIGHTS_KIND, model.WEIGHTS_LABELS), known)


def _described(given: Weights, known: tuple[LabelKind, str] | None) -> Weights:
    """Weights as the config describes them (kind "": not at all), else as they are known."""
    if given.kind:
        kind = LabelKind.parse(given.kind)
        return Weights(given.file, kind, given.labels or str(kind))
    kind, labels = known or (LabelKind.UNKNOWN, UNKNOWN_LABELS)
    return Weights(given.file, kind, given.labels or labels)
